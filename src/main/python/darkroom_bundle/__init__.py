"""The bundle compiler: a Stable Diffusion 1.x checkpoint in diffusers layout in, the worker's model bundle out."""
