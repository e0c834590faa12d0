"""Shared parts of generators with diffusers pipelines: options, loading, sampling. Needs ``nil-core[diffusion]``.

Only :mod:`nil_core.diffusion.options` is light to import (pydantic), for the ``__init__`` of plugins.
"""
