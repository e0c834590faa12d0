"""Text prompt of the video generator."""

from __future__ import annotations

from nil_core.errors import PluginError


def prompt(robot: str, skill: str) -> str:
    """``The {robot} agent is {skill}, camera follows.``, equation 1 of the paper."""
    return f"The {robot} agent is {skill}, camera follows."


def fill_template(template: str, robot: str, skill: str) -> str:
    """Equation 1 in the wording of a generator's card.

    Args:
        template: :attr:`nil_core.card.ComponentCard.prompt_template`; empty for equation 1 unchanged.
        robot, skill: as in :func:`prompt`.

    Raises:
        PluginError: the template has another field.
    """
    try:
        return (template or "{prompt}").format(robot=robot, skill=skill, prompt=prompt(robot, skill))
    except (KeyError, IndexError, ValueError) as error:
        raise PluginError(
            f"the generator's prompt template {template!r} cannot be filled in: {error}",
            "it may use {robot}, {skill} and {prompt}; or give the whole prompt with --prompt",
        ) from None
