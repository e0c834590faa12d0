"""nil: a sentence becomes a motor skill."""
