"""Stage 1: generate a reference video from a text prompt, with its masks and motion."""
