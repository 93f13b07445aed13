"""How many cases: a few with every test run; ``--hypothesis-profile=fuzz`` for thousands (.ci/fuzz).

``HEAD3D_FUZZ_CASES=500`` asks for that many of each.
"""

import os

import hypothesis

CALM = [
    hypothesis.HealthCheck.too_slow,
    hypothesis.HealthCheck.function_scoped_fixture,
    hypothesis.HealthCheck.data_too_large,
]

hypothesis.settings.register_profile("fuzz", max_examples=1000, deadline=None, suppress_health_check=CALM)
# over all readers together more than ten thousand
hypothesis.settings.register_profile("ten-thousand", max_examples=400, deadline=None, suppress_health_check=CALM)
hypothesis.settings.register_profile(
    "glance", max_examples=25, deadline=None, suppress_health_check=CALM, derandomize=True
)


def pytest_configure(config) -> None:
    """The quick profile, unless another was asked for."""
    if asked := os.environ.get("HEAD3D_FUZZ_CASES"):
        many = hypothesis.settings(max_examples=int(asked), deadline=None, suppress_health_check=CALM)
        hypothesis.settings.register_profile("asked", many)
        hypothesis.settings.load_profile("asked")
    elif not config.getoption("--hypothesis-profile", default=None):
        hypothesis.settings.load_profile("glance")
