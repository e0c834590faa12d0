"""What encoders on pretrained video transformers share: options, loading, running. Needs ``nil-core[vision]``.

Of its modules :mod:`nil_core.vision.options` imports nothing heavier than pydantic, for the ``__init__`` of plugins.
"""
