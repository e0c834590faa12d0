"""Whole episodes of a policy, and their numbers."""
