"""Motion recovery: from the frames and masks of a reference to the robot's motion in joint space."""
