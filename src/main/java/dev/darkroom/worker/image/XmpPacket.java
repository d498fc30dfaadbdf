package dev.darkroom.worker.image;

import com.adobe.internal.xmp.XMPConst;
import com.adobe.internal.xmp.XMPException;
import com.adobe.internal.xmp.XMPMeta;
import com.adobe.internal.xmp.XMPMetaFactory;
import com.adobe.internal.xmp.options.SerializeOptions;
import dev.darkroom.contract.Completed;

/** Provenance in XMP, the metadata that image files of any format carry. */
final class XmpPacket {

    private static final String DARKROOM = "https://darkroom.dev/xmp/1.0/";

    static {
        try {
            // So that its prefix is not one that the library makes up
            XMPMetaFactory.getSchemaRegistry().registerNamespace(DARKROOM, "darkroom");
        } catch (XMPException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private XmpPacket() {
    }

    /** An XMP packet in UTF-8, read-only and so without room for changes in place. */
    static byte[] of(Completed.Provenance provenance) {
        XMPMeta meta = XMPMetaFactory.create();
        try {
            meta.setProperty(XMPConst.NS_IPTCEXT, "DigitalSourceType", provenance.digitalSourceType());
            meta.setProperty(XMPConst.NS_XMP, "CreatorTool", provenance.creatorTool());
            meta.setProperty(DARKROOM, "PromptSha256", provenance.promptSha256());
            return XMPMetaFactory.serializeToBuffer(meta,
                    new SerializeOptions().setUseCompactFormat(true).setReadOnlyPacket(true).setSort(true));
        } catch (XMPException e) {
            throw new IllegalStateException("cannot write " + provenance, e);
        }
    }
}
