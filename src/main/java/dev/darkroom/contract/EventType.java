package dev.darkroom.contract;

import java.net.URI;
import java.util.Locale;

/** The types of events, version 1. */
public enum EventType {
    /** Images are asked for. */
    REQUESTED,
    /** A request is not wanted any more. */
    CANCELLED,
    /** The images are there. */
    COMPLETED,
    /** There will be no images. */
    FAILED,
    /** A request is in flight. */
    PROGRESS;

    private static final String SCHEMAS = "https://darkroom.dev/schemas/";

    /** The short name, as in event ids. */
    String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The CloudEvents {@code type}. */
    public String type() {
        return "dev.darkroom.image." + label() + ".v1";
    }

    /** The CloudEvents {@code dataschema}: the {@code $id} of the schema of the data. */
    public URI schema() {
        return URI.create(SCHEMAS + schemaFile());
    }

    /** Name of the file in {@code schemas/}. */
    String schemaFile() {
        return "image." + label() + ".v1.schema.json";
    }
}
