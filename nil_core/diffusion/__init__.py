"""What generators on diffusers pipelines share: options, loading, placing, drawing. Needs ``nil-core[diffusion]``.

Of its modules :mod:`nil_core.diffusion.options` imports nothing heavier than pydantic, for the ``__init__`` of plugins.
"""
