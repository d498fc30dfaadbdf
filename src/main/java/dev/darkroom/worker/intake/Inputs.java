package dev.darkroom.worker.intake;

import dev.darkroom.contract.GenerationRequest;
import dev.darkroom.contract.InputImage;
import dev.darkroom.contract.ObjectReference;
import dev.darkroom.diffusion.Fit;
import dev.darkroom.diffusion.GenerationParameters;
import dev.darkroom.diffusion.Labelled;
import dev.darkroom.diffusion.SourceImage;
import dev.darkroom.digest.Sha256;
import dev.darkroom.worker.DarkroomConfig;
import dev.darkroom.worker.image.PictureReader;
import dev.darkroom.worker.image.UnreadablePictureException;
import dev.darkroom.worker.store.ImageStore;
import dev.darkroom.worker.store.StorageException;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.Optional;

/** The pictures that requests start from: fetched from the store, and from nowhere else, checked and brought to size. */
@ApplicationScoped
class Inputs {

    private final ImageStore store;
    private final int mostBytes;
    private final PictureReader reader;

    Inputs(DarkroomConfig config, ImageStore store) {
        this.store = store;
        this.mostBytes = config.inputs().maxBytes();
        this.reader = new PictureReader(config.inputs().maxPixels());
    }

    /** A picture or a mask is not there, is not the one that the request says, or cannot be read. */
    static final class InvalidInputException extends Exception {

        private final String field;

        InvalidInputException(String field, String message) {
            super(message);
            this.field = field;
        }

        /** The request's field. */
        String field() {
            return field;
        }
    }

    /** Fetches the picture of a request, and its mask. Waits for the store while it is away. */
    SourceImage fetch(GenerationRequest request, GenerationParameters parameters) throws InvalidInputException {
        InputImage image = request.image().orElseThrow();
        byte[] picture = fetch("image", image.object());
        Optional<byte[]> mask = request.mask().isPresent()
                ? Optional.of(fetch("mask", request.mask().get())) : Optional.empty();
        try {
            return reader.read(picture, mask, parameters.size(), Labelled.find(Fit.class, image.fit()).orElseThrow());
        } catch (UnreadablePictureException e) {
            throw new InvalidInputException(e.field(), e.getMessage());
        }
    }

    private byte[] fetch(String field, ObjectReference object) throws InvalidInputException {
        Optional<byte[]> content;
        try {
            content = store.read(object.bucket(), object.key(), mostBytes + 1);
        } catch (StorageException e) {
            throw new InvalidInputException(field, field + " cannot be fetched from the object store: " + e.reason() + ".");
        }
        if (content.isEmpty()) {
            throw new InvalidInputException(field, field + " is not there: the bucket " + object.bucket() + " has no such key.");
        }
        byte[] file = content.get();
        if (file.length > mostBytes) {
            throw new InvalidInputException(field, field + " may have at most " + mostBytes + " bytes, and has more.");
        }
        String sha256 = Sha256.hex(file);
        if (!sha256.equals(object.sha256())) {
            throw new InvalidInputException(field + ".sha256", field + " is not the one that the request means: its SHA-256 is "
                    + sha256 + ", and " + field + ".sha256 says " + object.sha256() + ".");
        }
        return file;
    }
}
