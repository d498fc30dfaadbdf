package dev.darkroom.tools;

import dev.darkroom.diffusion.Profile;

/** Reads profiles by the names that requests use. */
public final class ProfileOption extends ByLabel<Profile> {

    public ProfileOption() {
        super("profile", Profile.class);
    }
}
