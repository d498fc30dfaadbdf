"""`mini`: a model of Stable Diffusion 1.5's classes at a small width, for the tests and the demo."""
