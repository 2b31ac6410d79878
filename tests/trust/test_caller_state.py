"""What a call leaves alone: the caller's floating-point settings, warnings, random numbers and arrays."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from strategies import DTYPES, KINDS
from test_extreme_numbers import BCE, CE, CORES, LOGITS, MSE, run_on

import minigrad as mg
from minigrad import diagnostics as dg

Y = np.arange(8) % 2
ONE_HOT = np.eye(2)[Y]


def numbers(found):
    """Whatever a call returned or left, as bytes that can be compared."""
    if isinstance(found, mg.Sequential):
        found = found.state_dict()
    if isinstance(found, mg.Backprop):
        found = [found.loss, found.activations, found.deltas, found.parameter_gradients()]
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list | tuple):
        return [numbers(part) for part in found]
    return np.asarray(found).tobytes()


def trained(net, loss, opt, x, y, **others):
    """The net and its history after two epochs, or what the DivergenceError said."""
    try:
        history = mg.fit(net, loss, opt, x, y, epochs=2, batch_size=4, rng=0, progress=False, **others)
    except mg.DivergenceError as error:
        return [net, str(error)]
    return [net, history.loss, history.val_loss]


def deep(dtype):
    """Every layer there is."""
    inner = mg.Residual(mg.Linear(3, 3, dtype=dtype, rng=0), mg.Tanh(), mg.Dropout(0.5, rng=0))
    return mg.Sequential(mg.BatchNorm(3, dtype=dtype), inner, mg.Linear(3, 2, dtype=dtype, rng=1))


def plain(dtype, kind="sigmoid"):
    return mg.mlp([3, 4, 2], kind, dtype=dtype, rng=0)


def stepped(opt, x):
    """The net after a step by gradients as extreme as x."""
    net = mg.Sequential(mg.Linear(3, 8, bias=False, dtype=x.dtype, rng=0))
    opt.step(net, {"0.weight": x})
    return net


def loaded(layer, weight):
    """The layer's state once it has taken over a weight, or why it has not."""
    try:
        layer.load_state_dict({"weight": weight})
    except ValueError as error:
        return str(error)
    return layer.state_dict()


def pair(x):
    """A layer's gradient whose entries are as extreme as x."""
    return mg.WeightGradient(x[:, :2].copy(), x)


# Each is called with an x (8, 3) of numbers that overflow, underflow and are subnormal.
CALLS = {
    **{f"a net of {kind}": lambda x, kind=kind: plain(x.dtype, kind)(x) for kind in KINDS},
    **{f"backprop, {kind}": lambda x, kind=kind: mg.backprop(plain(x.dtype, kind), CE, x, Y) for kind in KINDS},
    **{f"slope of {kind}": lambda x, kind=kind: mg.layers.activations.activation(kind).slope(x) for kind in KINDS},
    "sigmoid": mg.sigmoid,
    "layers": lambda x: [layer(x) for layer in deep(x.dtype)],
    "backprop, every layer": lambda x: mg.backprop(deep(x.dtype), MSE, x, ONE_HOT),
    "another float type": lambda x: plain(np.float32)(np.outer(np.ones(8), [1e300, -1e-300, 5e-324])),
    "CrossEntropyLoss": lambda x: CE.value_and_delta(x, Y),
    "probabilities": lambda x: CE.value_and_delta(x[:, :2], ONE_HOT),
    "BCEWithLogitsLoss": lambda x: LOGITS.value_and_delta(x[:, :2], ONE_HOT),
    "BCELoss": lambda x: BCE.value_and_delta(mg.sigmoid(x[:, :2]), ONE_HOT),
    "MSELoss": lambda x: MSE.value_and_delta(x[:, :2], ONE_HOT),
    "softmax and accuracy": lambda x: [mg.softmax(x), mg.accuracy(x, Y)],
    "gradcheck": lambda x: mg.gradcheck(plain(x.dtype), CE, x[:2], Y[:2], tolerance=1e300),
    "fit": lambda x: trained(plain(x.dtype), CE, mg.SGD(0.1), x, Y, validation=(x, Y)),
    "fit, loop": lambda x: trained(plain(x.dtype), CE, mg.SGD(0.1), x, Y, validation=(x, Y), engine="python"),
    "fit, every layer": lambda x: trained(deep(x.dtype), CE, mg.Adam(), x, Y, validation=(x, Y)),
    "fit, divergence": lambda x: trained(plain(x.dtype, "relu"), MSE, mg.SGD(1e30), x, ONE_HOT),
    "fit, overflow in a step": lambda x: trained(plain(x.dtype), CE, mg.AdamW(1e308), x, Y),
    "steps": lambda x: [stepped(opt, x) for opt in (mg.SGD(9.0, momentum=0.9), mg.RMSprop(1e300), mg.AdamW(1e-300))],
    "load_state_dict": lambda x: loaded(mg.Linear(3, 8, bias=False, dtype=np.float32), x.astype(np.float64)),
    "WeightGradient": lambda x: [pair(x).weight, pair(x).bias, pair(x).per_sample(), pair(x).per_sample_norms()],
    "signs": lambda x: [dg.sign_pattern(x), dg.single_signed_rows(pair(x)), dg.sign_entropy_bits(pair(x))],
    "batches": lambda x: [dg.batch_survival(pair(x), 4, draws=5, rng=0), dg.survival_probability(3, 1e300)],
    "mean and fluctuation": lambda x: dg.mean_fluctuation_split(pair(x)).share,
    "second moment": lambda x: [dg.second_moment(x), dg.spectrum(x), dg.max_stable_lr(x)],
    "conditioning": lambda x: [f(x) for f in (dg.condition_number, dg.coherence, dg.critical_batch, dg.gram_signs)],
    "saturation": lambda x: [dg.saturation(plain(x.dtype), x), dg.dead_units(plain(x.dtype), x)],
    "attenuation": lambda x: list(dg.attenuation(mg.backprop(plain(x.dtype), MSE, x, ONE_HOT)))[1:],
    "mean field": lambda x: [dg.mean_field_rate("selu", 1e9), dg.mean_field_rate("gelu", 1e-9)],
    "paths": lambda x: [vars(dg.sign_detour(x)), vars(dg.narrow_cone(x)), vars(dg.ZigZag.of_updates(x))],
    "curvature": lambda x: [dg.best_diagonal_condition(x), dg.best_diagonal_condition(x, bias=True)],
    "transformations": lambda x: [dg.gauge_flip(plain(x.dtype, "tanh"), x, [1, -1, 1]), dg.tanh_twin(plain(x.dtype))],
}  # fmt: skip


@pytest.fixture(params=CORES)
def any_core(request, monkeypatch):
    run_on(monkeypatch, request.param)


def extremes(dtype):
    info = np.finfo(dtype)
    few = [info.max, -info.max / 4, info.tiny, -info.smallest_subnormal, np.sqrt(info.max) * 4, 1, -0.0, -800]
    return np.random.default_rng(0).permuted(np.resize(np.array(few, dtype), (8, 3)), axis=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS)
def test_floating_point_settings_are_neither_asked_nor_changed_and_nothing_else_is(any_core, call, dtype):
    x, calls = extremes(dtype), []
    kept, state = numbers([x, Y, ONE_HOT]), np.random.get_state()  # noqa: NPY002
    with np.errstate(all="ignore"):
        expected = numbers(CALLS[call](x))
    old = np.seterrcall(lambda *args: calls.append(args))
    try:
        for setting in ("warn", "raise", "call"):
            with warnings.catch_warnings(), np.errstate(all=setting):
                warnings.simplefilter("error")
                found, left = CALLS[call](x), np.geterr()
            assert set(left.values()) == {setting}
            assert numbers(found) == expected
    finally:
        np.seterrcall(old)
    assert calls == []
    assert numbers([x, Y, ONE_HOT]) == kept
    np.testing.assert_equal(np.random.get_state(), state)  # noqa: NPY002


# ---- other processes ----------------------------------------------------------------------------------------

SCRIPT = """
import hashlib, sys
import numpy as np
import minigrad as mg
few = np.array([1, 3, 1000]) * 5e-324
assert (few * 1.0 == few).all() and (np.float32(1e-45) * np.ones(40, np.float32) > 0).all()
x, y, *_ = mg.datasets.load("iris")
for dtype in ("float32", "float64"):
    net = mg.mlp([4, 8, 3], "tanh", dtype=dtype, rng=1)
    net.layers[1:1] = [mg.Dropout(0.1, rng=2), mg.BatchNorm(8, dtype=dtype)] if sys.argv[1] == "every" else []
    engine = "auto" if sys.argv[1] == "every" else sys.argv[1]
    history = mg.fit(net, mg.CrossEntropyLoss(), mg.Adam(0.01), x, y, epochs=3, rng=3, engine=engine, progress=False)
    sums = {name: hashlib.sha256(array).hexdigest() for name, array in net.state().items()}
    bp = mg.backprop(net.eval(), mg.CrossEntropyLoss(), x, y)
    print(sums, list(net.parameters()), history, mg.diagnostics.batch_survival(bp.gradients["0"], 9, rng=4))
assert (few * 1.0 == few).all() and (np.float32(1e-45) * np.ones(40, np.float32) > 0).all()
"""


def printed(kind, seed):
    """What the script says in a new process, whose sets and dicts of strings are in another order."""
    root = str(Path(mg.__file__).parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, kind],
        env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
def test_the_same_seeds_give_the_same_bits_in_another_process_and_by_either_engine():
    first = printed("python", "1")
    assert len(first.splitlines()) == 2
    others = [printed("python", "2"), *([printed("fused", "3")] if "compiled" in CORES else [])]
    assert others == [first] * len(others)
    assert printed("every", "1") == printed("every", "2") != first
