"""Settings of hypothesis for all tests, of the core and of plugins."""

import hypothesis

# The same examples every time: a test that fails does so everywhere. On a busy machine a slow example is no failure.
BOUNDED = hypothesis.settings(deadline=None, database=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("nil", BOUNDED, derandomize=True, max_examples=40)
# Others every time: benchmarks/fuzz.py searches with it, and prints the seed that repeats what it found.
hypothesis.settings.register_profile("wide", BOUNDED, max_examples=400, print_blob=True)
hypothesis.settings.load_profile("nil")
