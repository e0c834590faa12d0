"""A config put to work: set up, run, resume, evaluate, play, export."""
