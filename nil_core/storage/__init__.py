"""Files that are whole or not there: atomic writing, cache, paths, locks, logs."""
