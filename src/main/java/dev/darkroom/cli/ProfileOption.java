package dev.darkroom.cli;

import dev.darkroom.diffusion.Profile;

/** Reads profiles by the names that requests use. */
final class ProfileOption extends ByLabel<Profile> {

    ProfileOption() {
        super("profile", Profile.values(), Profile::label);
    }
}
