"""Layers of one's own that save refuses, and what it says; files that ask a layer of one's own for too much."""

import os
import re

import numpy as np
import pytest
from oracles import same_bits
from own_layers import Block, Gain

import minigrad as mg
from minigrad.files.archive import write_archive
from minigrad.files.nets import ALLOWED, FORMAT, rebuild

X = np.random.default_rng(0).standard_normal((5, 4))
pytestmark = pytest.mark.usefixtures("known_layers_as_before")


# ---- what save refuses -----------------------------------------------------------------------------------


class NoConfig(Gain):
    config = mg.Layer.config


class Scale(mg.Layer):
    """Its argument has a default, so that it can be made without it: as another layer."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def forward(self, x):
        return self.factor * x, None


class Hidden(Scale):
    def __init__(self, factor=1.0):
        self._factor = factor


class Renamed(Scale):
    def __init__(self, factor=1.0):
        self.times = factor


class WithGain(mg.Linear):
    def __init__(self, i, o, slope=1.0):
        super().__init__(i, o)
        self.slope = slope

    def config(self):
        return {"i": self.in_features, "o": self.out_features}


class Mask(mg.Layer):
    """Keeps an array that it neither trains nor names."""

    def __init__(self, n):
        self.n, self.mask = n, np.random.default_rng().random(n)

    def forward(self, x):
        return x * self.mask, None

    def config(self):
        return {"n": self.n}


class Tail(mg.Sequential):
    """Adds a layer to those that it is given: once more each time it is made again."""

    def __init__(self, *layers):
        super().__init__(*layers, mg.Tanh())


class Factored(mg.Sequential):
    def __init__(self, *layers, factor=1.0):
        super().__init__(*layers)
        self.factor = factor


class Config(mg.Layer):
    """Whatever it is told to say."""

    def __init__(self, **said):
        self.said = said

    def forward(self, x):
        return x, None

    def config(self):
        return self.said


class NotADict(Config):
    def config(self):
        return [3]


def misshapen():
    layer = mg.Linear(4, 4)
    layer.weight = np.ones((4, 5))
    return layer


def half():
    layer = mg.Linear(4, 4)
    layer.weight = layer.weight.astype(np.float16)
    return layer


CIRCLE = []
CIRCLE.append(CIRCLE)

REFUSED = {
    "no config": (lambda: NoConfig(4), r"missing 1 required .* 'features'.*\n.*return {'features': self.features, 'st"),
    "an argument with a default": (lambda: Scale(3.0), r"its factor would be another .*\n.*return {'factor': self.f"),
    "kept under an underscore": (lambda: Hidden(3.0), "its _factor would be another"),
    "kept under another name": (lambda: Renamed(3.0), "its times would be another .*buffer_names"),
    "of a subclass of Linear": (lambda: WithGain(4, 4, 0.5), "its slope would be another"),
    "a block without config": (lambda: type("B", (Block,), {"config": mg.Layer.config})(4), "cannot make it again"),
    "an array of no name": (lambda: Mask(4), "its mask would be another .*'mask' to buffer_names"),
    "grows": (lambda: Tail(mg.ReLU()), "load would make .*Tanh.*Tanh.* of"),
    "a container's argument": (lambda: Factored(mg.ReLU(), factor=3.0), "its factor would be another"),
    "another shape": (misshapen, r"it has the arrays {'weight': \(\(4, 5\).*make a layer of these sizes"),
    "half precision": (half, "dtype must be float32 or float64"),
    "an array in config": (lambda: Config(a=np.ones(2)), r"config\(\) of Config\['a'\] is a ndarray, which a file"),
    "a function in config": (lambda: Config(f=[{"g": len}]), r"\['f'\]\[0\]\['g'\] is a builtin_function_or_method"),
    "a set in config": (lambda: Config(s={1}), r"\['s'\] is a set"),
    "a dtype in config": (lambda: Config(t=np.dtype("f4")), r"\['t'\] is a Float32DType"),
    "a key that is no text": (lambda: Config(d={1: 2}), r"\['d'\] has a key 1, expected text"),
    "a circle in config": (lambda: Config(c=CIRCLE), "is nested too deep"),
    "no dict": (lambda: NotADict(), "returned a list, expected a dict"),
    "a number like a huge size": (lambda: Config(seed=2**40, n=3), "as a float or as text"),
}


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_not_come_back_is_not_saved(kind, inside, tmp_path):
    make, message = REFUSED[kind]
    net = mg.Sequential(mg.Linear(4, 4), mg.Residual(mg.Tanh(), make()) if inside else make())
    (tmp_path / "net").write_bytes(b"old")
    with pytest.raises(TypeError, match=f"(?s)^layer {'1.1' if inside else '1'}, a .*cannot be saved: .*{message}"):
        mg.save(net, tmp_path / "net")
    assert (tmp_path / "net").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["net"]


def test_what_the_message_says_to_write_mends_it(tmp_path):
    class Mended(Scale):
        pass

    with pytest.raises(TypeError) as caught:
        mg.save(mg.Sequential(Mended(3.0)), tmp_path / "net")
    advice = re.search(r"( +def config.*\n.*)", str(caught.value)).group(1)
    space = {}
    exec("class With:\n" + advice, space)
    Mended.config = space["With"].config
    mg.save(mg.Sequential(Mended(3.0)), tmp_path / "net")
    assert mg.load(tmp_path / "net")[0].factor == 3.0


def test_caches_and_generators_do_not_matter(tmp_path):
    class Cached(Gain):
        def __init__(self, features, rng=None):
            super().__init__(features)
            self.rng, self.last, self._calls = np.random.default_rng(rng), None, 0

        def forward(self, x):
            self.last, self._calls = x, self._calls + 1
            return super().forward(x)

        def config(self):
            return {"features": len(self.gain)}

    net = mg.Sequential(Cached(4))
    net(X)
    mg.save(net, tmp_path / "net")
    assert same_bits(mg.load(tmp_path / "net").state_dict(), net.state_dict())


def test_a_parameter_that_is_no_array_is_refused_by_name(tmp_path):
    net = mg.Sequential(mg.Linear(2, 2), Gain(2))
    net[1].gain = [1.0, 2.0]
    with pytest.raises(TypeError, match=r"1\.gain is a list, expected a ndarray"):
        mg.save(net, tmp_path / "net")
    assert not any(tmp_path.iterdir())


def test_weights_in_the_other_byte_order_are_saved(tmp_path):
    net = mg.mlp([3, 2], rng=0)
    bits = net.state_dict()
    net[0].weight = net[0].weight.astype(net[0].weight.dtype.newbyteorder())
    mg.save(net, tmp_path / "net")
    assert same_bits(mg.load(tmp_path / "net").state_dict(), bits)


# ---- what a file may ask for -----------------------------------------------------------------------------


class Careless(mg.Layer):
    """Its constructor makes what it is asked for, and says so."""

    made: list = []  # noqa: RUF012

    def __init__(self, **sizes):
        self.made.append(sizes)


@pytest.mark.parametrize(
    "asked",
    [
        {"in_features": 10**6, "out_features": 10**6},
        {"n": 10**12},
        {"n": -(10**12)},
        {"rows": 10**6, "columns": 10**6},
        {"shape": [2, 10**5, 10**5]},
        {"deep": {"er": [[10**9]]}},
        {"inner": {"minigrad layer": ["Careless", {"n": 10**12}]}},
        {"inner": [{"minigrad layer": ["Linear", {"in_features": 10**6, "out_features": 10**6}]}]},
    ],
)
def test_a_file_cannot_have_a_layer_of_ones_own_ask_for_much(asked, tmp_path):
    write_archive(tmp_path / "net", {"format": FORMAT, "net": ["Sequential", [["Careless", asked]]]}, {})
    Careless.made.clear()
    with pytest.raises(ValueError, match="net is not a minigrad net: .*(larger|more) than any"):
        mg.load(tmp_path / "net")
    assert Careless.made == []


def test_what_is_allowed():
    assert Careless.made is not None
    rebuild(["Careless", {"a": 4096, "b": 4096, "c": True, "d": None, "e": 0.5}], 0)
    assert 4096 * 4096 == ALLOWED
    rebuild(["Careless", {"a": 10**5, "b": 10**5}], 10**10)


@pytest.mark.parametrize("error", [AttributeError, AssertionError, ZeroDivisionError, OSError, StopIteration])
def test_whatever_a_constructor_raises_is_a_valueerror_of_the_file(error, tmp_path):
    class Explosive(mg.Layer):
        def __init__(self):
            raise error("boom")

    write_archive(tmp_path / "net", {"format": FORMAT, "net": ["Sequential", [["Explosive", {}]]]}, {})
    with pytest.raises(ValueError, match="net is not a minigrad net: boom"):
        mg.load(tmp_path / "net")


@pytest.mark.parametrize("content", [None, 3, "abc", [], [3], [["Tanh", {}]], {"minigrad layer": ["Tanh", {}]}])
def test_strange_arguments_are_refused(content, tmp_path):
    write_archive(tmp_path / "net", {"format": FORMAT, "net": ["Sequential", [["Gain", content]]]}, {})
    with pytest.raises(ValueError, match="net is not a minigrad net"):
        mg.load(tmp_path / "net")
