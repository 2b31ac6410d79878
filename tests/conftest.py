"""Settings of the whole test run: how many examples hypothesis tries, and what some tests need."""

import os
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings

from minigrad.cli import main as cli
from minigrad.kernels.backend import core
from minigrad.layers.base import LAYERS

# On a busy machine one example may be slow: no deadline. A failure prints the line that reproduces it.
_COMMON = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=5, **_COMMON)  # what -m "not slow" takes
settings.register_profile("dev", max_examples=50, **_COMMON)
settings.register_profile("ci", max_examples=15, derandomize=True, **_COMMON)
settings.register_profile("thorough", max_examples=1000, **_COMMON)
# For `make mutants`: the same examples for every mutant, and no time spent on the smallest that fails.
settings.register_profile(
    "mutants", max_examples=20, derandomize=True, phases=[Phase.explicit, Phase.generate], **_COMMON
)

# How fit can run an epoch of a net of Linear and activation layers; the fused epoch needs the compiled core.
ENGINES = ["python", "fused"] if hasattr(core, "Program") else ["python"]


def profile(config):
    """The name of the hypothesis profile: $HYPOTHESIS_PROFILE, else quick with -m "not slow", else dev."""
    return os.environ.get("HYPOTHESIS_PROFILE", "quick" if "not slow" in config.option.markexpr else "dev")


def pytest_configure(config):
    settings.load_profile(profile(config))


def pytest_report_header(config):
    return f"core: {core.__name__}, hypothesis profile: {profile(config)}"


def pytest_collection_modifyitems(config, items):
    """What is marked proofs runs only where -m names it; with -m in addopts, -m "not slow" would bring it in."""
    if "proofs" not in config.option.markexpr:
        asked = [item for item in items if not item.get_closest_marker("proofs")]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(asked)])
        items[:] = asked


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


@pytest.fixture
def run(capsys):
    """run("train --data moons") -> (exit code, standard output, standard error)."""

    def command(line):
        try:
            code = cli.main(line.split() if isinstance(line, str) else line)
        except SystemExit as end:  # argparse ends the process itself
            code = end.code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return code, printed.out, printed.err

    return command


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium, which calls nobody by itself; without the sandbox, which root does not have."""
    playwright = pytest.importorskip("playwright.sync_api")
    names = "chromium", "chromium-browser", "google-chrome", "chrome"
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    flags = [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-extensions",
    ]  # fmt: skip
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def known_layers_as_before():
    """The classes that files know by name are, after the test, those from before."""
    kept = dict(LAYERS)
    yield
    LAYERS.clear()
    LAYERS.update(kept)
