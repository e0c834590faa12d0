"""Evaluation of policies and encoders: whole episodes, metrics, rankings."""
