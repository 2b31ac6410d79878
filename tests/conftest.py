"""Settings of the whole test run: how many examples hypothesis tries, and what some tests need."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings

from minigrad.kernels.backend import core

# On a busy machine one example may be slow: no deadline. A failure prints the line that reproduces it.
_COMMON = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=50, **_COMMON)
settings.register_profile("ci", max_examples=100, derandomize=True, **_COMMON)
settings.register_profile("thorough", max_examples=1000, **_COMMON)
# For `make mutants`: the same examples for every mutant, and no time spent on the smallest that fails.
settings.register_profile(
    "mutants", max_examples=20, derandomize=True, phases=[Phase.explicit, Phase.generate], **_COMMON
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

# How fit can run an epoch of a net of Linear and activation layers; the fused epoch needs the compiled core.
ENGINES = ["python", "fused"] if hasattr(core, "Program") else ["python"]


def pytest_report_header():
    return f"core: {core.__name__}, hypothesis profile: {os.environ.get('HYPOTHESIS_PROFILE', 'dev')}"


@pytest.fixture(params=ENGINES, scope="session")
def engine(request):
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def compiled():
    """The compiled core; the twin is never compared with itself."""
    if not core.__name__.endswith("._core"):
        pytest.skip("the compiled core does not run here")
    return core
