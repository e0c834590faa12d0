"""Rewards, one value per tick."""
