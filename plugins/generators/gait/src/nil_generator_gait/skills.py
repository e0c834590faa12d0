"""Skills of the gait generator, as factors on a robot's natural gait parameters."""

from __future__ import annotations

from dataclasses import dataclass

from nil_core.api import ConfigError


@dataclass(frozen=True)
class Skill:
    """A skill, relative to the robot's natural walk.

    Attributes:
        name: as in the prompt.
        synonyms: other words for it.
        speed: factor on the natural speed; its sign is the direction.
        frequency: factor on the natural frequency.
        duty: duty factor, the stance fraction of the gait cycle.
        turn: factor on the natural turn rate; its sign is the direction, positive to the left.
    """

    name: str
    synonyms: tuple[str, ...]
    speed: float
    frequency: float
    duty: float
    turn: float = 0.0


SKILLS = (
    Skill("walking", ("walk", "walking forward", "walking forwards"), speed=1.0, frequency=1.0, duty=0.55),
    Skill("walking backwards", ("walk backwards", "walking backward"), speed=-0.75, frequency=1.0, duty=0.55),
    Skill("trotting", ("running", "trot", "run", "jogging"), speed=1.4, frequency=1.2, duty=0.45),
    Skill("stepping in place", ("step in place", "marching in place"), speed=0.0, frequency=1.0, duty=0.55),
    Skill("turning left", ("turn left", "turning to the left", "turn to the left"), 0.0, 1.0, 0.55, turn=1.0),
    Skill("turning right", ("turn right", "turning to the right", "turn to the right"), 0.0, 1.0, 0.55, turn=-1.0),
)


def find_skill(words: str) -> Skill:
    """Find a skill by name or synonym, ignoring case and spacing.

    Raises:
        ConfigError: no such skill.
    """
    wanted = " ".join(words.casefold().split())
    for skill in SKILLS:
        if wanted in (skill.name, *skill.synonyms):
            return skill
    known = ", ".join(skill.name for skill in SKILLS)
    raise ConfigError(f"the gait generator cannot do {words!r}", f"choose one of: {known}; or another generator")
