"""What is learned from: a reward for each tick."""
