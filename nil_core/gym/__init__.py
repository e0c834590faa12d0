"""The imitation environment as a gymnasium environment, for stable-baselines3, CleanRL, skrl and others.

Importing this module registers ``nil/imitation-v0``::

    import gymnasium
    import nil_core.gym

    env = gymnasium.make("nil/imitation-v0", run="runs/...")
    envs = gymnasium.make_vec("nil/imitation-v0", run="runs/...", num_envs=4)

``gymnasium.make("nil_core.gym:nil/imitation-v0", ...)`` imports it automatically. The arguments are those of
:class:`nil_core.gym.env.ImitationEnv` and :class:`nil_core.gym.vector_env.ImitationVectorEnv`.
"""

from __future__ import annotations

from nil_core.errors import PluginError

try:
    import gymnasium
except ModuleNotFoundError:
    raise PluginError("nil_core.gym needs gymnasium", 'pip install "nil-core[gym]"') from None

ID = "nil/imitation-v0"

if ID not in gymnasium.registry:
    gymnasium.register(
        ID,
        entry_point="nil_core.gym.env:ImitationEnv",
        vector_entry_point="nil_core.gym.vector_env:ImitationVectorEnv",
    )
