"""The sentence that a generator is given."""

from __future__ import annotations


def prompt(robot: str, skill: str) -> str:
    """Equation 1 of the paper: ``The {robot} agent is {skill}, camera follows.``"""
    return f"The {robot} agent is {skill}, camera follows."
