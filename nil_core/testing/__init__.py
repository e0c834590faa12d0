"""For the tests of plugins: checks of the contracts, and small fakes to run them on.

A plugin's contract test is one call::

    from nil_core.testing import check_card, check_encoder, check_light
    from my_plugin import CARD
    from my_plugin.encoder import MeanColour

    def test_contract():
        check_card(CARD)
        check_light("my_plugin")
        check_encoder(MeanColour(CARD.config()), CARD)

Every check raises ``AssertionError`` with a message that says which promise of :mod:`nil_core.interfaces` is broken.
"""

from nil_core.testing.agents import check_agent
from nil_core.testing.cards import HEAVY, check_card, check_light
from nil_core.testing.clips import moving_blob
from nil_core.testing.physics import mirror_actions, mirror_poses, robot_scene, roll_out, root_upright
from nil_core.testing.quadruped import ToyQuadruped, toy_request, toy_scene
from nil_core.testing.robots import check_robot
from nil_core.testing.videos import check_encoder, check_generator, check_segmenter

__all__ = [
    "HEAVY",
    "ToyQuadruped",
    "check_agent",
    "check_card",
    "check_encoder",
    "check_generator",
    "check_light",
    "check_robot",
    "check_segmenter",
    "mirror_actions",
    "mirror_poses",
    "moving_blob",
    "robot_scene",
    "roll_out",
    "root_upright",
    "toy_request",
    "toy_scene",
]
