"""For the tests of plugins: checks of the contracts, and small fakes to run them on.

A plugin's contract test is one call::

    from nil_core.testing import check_card, check_encoder, check_light
    from my_plugin import CARD
    from my_plugin.encoder import MeanColor

    def test_contract():
        check_card(CARD)
        check_light("my_plugin")
        check_encoder(MeanColor(CARD.config()), CARD)

Every check raises ``AssertionError`` with a message that says which promise of :mod:`nil_core.interfaces` is broken.
"""

from nil_core.testing.agents import check_agent, check_network, interact, random_transitions
from nil_core.testing.bodies import check_falls, check_mirrored, check_seen, check_stands
from nil_core.testing.cards import HEAVY, check_card, check_light
from nil_core.testing.clips import moving_blob
from nil_core.testing.contract import check_contract, check_options
from nil_core.testing.demonstrations import (
    check_tells_apart,
    ticks_of,
    toy_demonstrations,
    toy_reward_spec,
    trot,
    write_toy_demonstrations,
)
from nil_core.testing.expression import Demand, check_can_express, motion_demand
from nil_core.testing.observations import check_observation_term
from nil_core.testing.physics import mirror_actions, mirror_poses, robot_scene, roll_out, root_upright
from nil_core.testing.quadruped import ToyQuadruped, toy_request, toy_scene
from nil_core.testing.rewards import check_reward, check_reward_term
from nil_core.testing.robots import check_robot
from nil_core.testing.sources import (
    Source,
    check_damaged_files,
    check_menagerie,
    check_missing_package,
    check_source,
    mjcf_source,
    urdf_source,
)
from nil_core.testing.videos import check_encoder, check_generator, check_segmenter

__all__ = [
    "HEAVY",
    "Demand",
    "Source",
    "ToyQuadruped",
    "check_agent",
    "check_can_express",
    "check_card",
    "check_contract",
    "check_damaged_files",
    "check_encoder",
    "check_falls",
    "check_generator",
    "check_light",
    "check_menagerie",
    "check_mirrored",
    "check_missing_package",
    "check_network",
    "check_observation_term",
    "check_options",
    "check_reward",
    "check_reward_term",
    "check_robot",
    "check_seen",
    "check_segmenter",
    "check_source",
    "check_stands",
    "check_tells_apart",
    "interact",
    "mirror_actions",
    "mirror_poses",
    "mjcf_source",
    "motion_demand",
    "moving_blob",
    "random_transitions",
    "robot_scene",
    "roll_out",
    "root_upright",
    "ticks_of",
    "toy_demonstrations",
    "toy_request",
    "toy_reward_spec",
    "toy_scene",
    "trot",
    "urdf_source",
    "write_toy_demonstrations",
]
