"""Stage 1: from a sentence to a reference video, its masks and its motion."""
