"""What `docs/bundle.md` fixes for every bundle."""

FORMAT = 1
TEXT_LENGTH = 77
LATENT_CHANNELS = 4
# pixels of a latent, along either side
LATENT_SCALE = 8
