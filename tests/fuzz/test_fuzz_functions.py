"""Every public function and method, called with anything: a result, or an error that says which argument is wrong."""

import contextlib
import copy
import dataclasses
import importlib

import numpy as np
import pytest
from fuzz_runner import CASES, check_message, described, run_fuzz
from public_functions import FUNCTIONS
from random_arguments import comparable, finite_and_moderate, random_inputs

import minigrad as mg
from minigrad.kernels import twin
from minigrad.kernels.backend import core

COMPILED = core is not twin
CALLERS = [importlib.import_module(f"minigrad.{name}") for name in (
    "training.fused", "layers.activations", "layers.linear", "backprop", "gradient", "losses",
    "training.optimizers")]  # fmt: skip
# What a message may speak of besides the arguments.
WORDS = ("input of", "z", "batch_size", "output", "saved", "delta", "weight", "BatchNorm", "str", "null byte",
         "updates")  # fmt: skip
TRUTHS = ("self", "bias", "nesterov", "per_sample")  # never spoiled: anything has a truth value
WITH_RUNNING_STATISTICS = {"layer(x)", "net(x)", "backprop"}  # a BatchNorm sees what passes
CHANGED_ARGUMENTS = {
    "load_state_dict": {"self"}, "step": {"self", "net"}, "fit": {"net", "opt"}, "fit, options": {"net", "opt"},
}  # fmt: skip
DOCUMENTED_ERRORS = {  # what else the docstrings promise
    "load_state_dict": (KeyError,),
    "step": (KeyError,),
    "fit": (mg.DivergenceError,),
    "fit, options": (mg.DivergenceError,),
    "datasets.load": (OSError,),
    "datasets.load_idx": (OSError,),
    "datasets.load_mnist": (OSError,),
    "load": (OSError,),
    "save": (OSError,),
}


@pytest.fixture(scope="module", autouse=True)
def in_a_folder_of_its_own(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("functions"))
        yield


@contextlib.contextmanager
def with_the_twin():
    cores = [module.core for module in CALLERS]
    try:
        for module in CALLERS:
            module.core = twin
        yield
    finally:
        for module, core in zip(CALLERS, cores, strict=True):
            module.core = core


def numbers(value):
    """All arrays and floats in a result, in order."""
    if isinstance(value, np.ndarray | float | np.floating):
        yield np.asarray(value)
    elif isinstance(value, dict):
        yield from numbers(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from numbers(part)
    elif isinstance(value, mg.Layer):
        yield from numbers(value.state())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from numbers([getattr(value, field.name) for field in dataclasses.fields(value)])


def compare(ours, theirs, sizes, rtol):
    """The same numbers, but for rounding."""
    for mine, other in zip(numbers(ours), numbers(theirs), strict=True):
        assert mine.dtype.newbyteorder("=") == other.dtype.newbyteorder("=")
        assert mine.shape == other.shape
        if mine.size and mine.dtype.kind == "f":
            np.testing.assert_array_equal(np.isfinite(mine), np.isfinite(other))
            scale = sizes**2 * (1 + np.abs(other[np.isfinite(other)]).max(initial=0))
            off = np.abs(mine[np.isfinite(other)] - other[np.isfinite(other)]).max(initial=0)
            assert off <= scale * rtol, f"{mine} is not {other}"


def call_once(name, draw):
    """One input: refused with nothing changed, or computed, by the compiled core as by its twin."""
    function, kinds, _ = FUNCTIONS[name]
    values = random_inputs(draw, kinds, TRUTHS)
    before = {key: comparable(value) for key, value in values.items()}
    again = copy.deepcopy(values) if COMPILED and name not in NOT_COMPARED and draw.random() < 0.2 else None
    changed = {"self", "net"} if name in WITH_RUNNING_STATISTICS else CHANGED_ARGUMENTS.get(name, ())
    try:
        result, outcome = function(*values.values()), "a result"
    except (ValueError, TypeError, MemoryError, *DOCUMENTED_ERRORS.get(name, ())) as error:
        outcome = type(error).__name__
        late = isinstance(error, mg.DivergenceError) or "output of BCELoss" in str(error)  # seen after an epoch or two
        changed = changed if late or name in WITH_RUNNING_STATISTICS else ()
        try:
            if not callable(values.get("init")):  # whose errors are its own
                names = (*kinds, *WORDS, name.split(".")[-1])
                check_message(error, () if isinstance(error, MemoryError | OSError) else names)
        except AssertionError:
            raise AssertionError(described(values)) from error
    except BaseException as error:
        error.add_note(described(values))
        raise
    assert outcome != "a result" or not any(isinstance(v, np.ma.MaskedArray) for v in values.values()), described(
        values
    )
    for key, value in values.items():
        assert key in changed or comparable(value) == before[key], f"{key} was changed: {described(values)}"
    if outcome != "a result" or again is None:
        return outcome
    if any(isinstance(value, np.matrix) for value in values.values()):
        return outcome  # its operators are others in the twin's NumPy
    arrays = [a for a in numbers(list(again.values())) if a.dtype.kind == "f"]
    if all(finite_and_moderate(arrays)) and again.get("rng", 0) is not None:
        sizes = max((float(np.abs(a).max(initial=1)) for a in arrays), default=1.0)
        try:
            with with_the_twin(), np.errstate(all="ignore"):
                expected = function(*again.values())
            single = any(a.dtype.itemsize == 4 for a in arrays)
            compare([result, *values.values()], [expected, *again.values()], sizes, 1e-4 if single else 1e-10)
        except Exception as error:
            raise AssertionError(described(values)) from error
        return "a result as the twin's"
    return outcome


COSTS = sum(1 / cost for _, _, cost in FUNCTIONS.values())
# Not compared with the twin: files, what is a list of roundings, and what stops at a tolerance.
NOT_COMPARED = {"gradcheck", "sharpness", "save", "load", "datasets.load_idx", "datasets.load_mnist"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_call_gives_a_result_or_an_error_that_names_the_argument(name):
    if not COMPILED and name == "WeightGradient":
        pytest.skip("the NumPy core leaves it to NumPy whether two shapes fit")
    run_fuzz(name, 0.4 * CASES / COSTS / FUNCTIONS[name][2], lambda draw: call_once(name, draw))
