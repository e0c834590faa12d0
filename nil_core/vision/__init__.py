"""Shared parts of encoders with pretrained video transformers: options, loading, running. Needs ``nil-core[vision]``.

Only :mod:`nil_core.vision.options` is light to import (pydantic), for the ``__init__`` of plugins.
"""
