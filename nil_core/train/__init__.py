"""Collecting transitions, learning from them, checkpoints."""
