"""Layers of one's own in files: what comes back, what save refuses and what it says, and what a file may ask for."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from oracles import same_bits

import minigrad as mg
from minigrad.files.archive import read_archive, write_archive
from minigrad.files.nets import ALLOWED, FORMAT, describe, rebuild
from minigrad.layers.base import LAYERS

X = np.random.default_rng(0).standard_normal((5, 4))


@pytest.fixture(autouse=True)
def known_layers_as_before(monkeypatch):
    kept = dict(LAYERS)
    yield
    LAYERS.clear()
    LAYERS.update(kept)


class Gain(mg.Layer):
    """a = gain z."""

    parameter_names = ("gain",)

    def __init__(self, features, start=1.0, dtype="float64"):
        self.gain = np.full(features, start, dtype)
        self.start = start

    def forward(self, x):
        return x * self.gain, x

    def backward(self, delta, x):
        return delta * self.gain, {"gain": (delta * x).mean(axis=0)}

    def config(self):
        return {"features": len(self.gain), "start": self.start, "dtype": str(self.gain.dtype)}


class Counter(Gain):
    """Counts the rows that it has seen, in a buffer."""

    buffer_names = ("rows",)

    def __init__(self, features, **rest):
        super().__init__(features, **rest)
        self.rows = np.zeros(1)

    def forward(self, x):
        self.rows += len(x)
        return super().forward(x)


class Swish(mg.SiLU):
    """A subclass of an activation, with an argument of its own."""

    def __init__(self, beta):
        self.beta = beta

    def config(self):
        return {"beta": self.beta}

    def forward(self, z):
        return z * mg.sigmoid(self.beta * z), z

    def backward(self, delta, z):
        s = mg.sigmoid(self.beta * z)
        return delta * (s + self.beta * z * s * (1 - s)), {}


class Narrow(mg.Linear):
    """A subclass with nothing of its own."""


class Doubled(mg.Sequential):
    """A container that is made from its layers."""

    def forward(self, x):
        out, saved = super().forward(x)
        return 2 * out, saved

    def backward(self, delta, saved):
        return super().backward(2 * delta, saved)


class Block(mg.Sequential):
    """A container that makes its layers by itself."""

    def __init__(self, width, act="tanh"):
        super().__init__(Narrow(width, width, rng=0), mg.layers.activations.activation(act))
        self.width, self.act = width, act

    def config(self):
        return {"width": self.width, "act": self.act}


class Sum(mg.Layer):
    """A container that is no Sequential: its arguments are layers."""

    def __init__(self, left, right, names=()):
        self.left, self.right, self.names = left, right, tuple(names)

    def children(self):
        return [("left", self.left), ("right", self.right)]

    def parameters(self):
        return {f"{path}.{n}": a for path, layer in self.children() for n, a in layer.parameters().items()}

    def state(self):
        return {f"{path}.{n}": a for path, layer in self.children() for n, a in layer.state().items()}

    def forward(self, x):
        (a, left), (b, right) = self.left.forward(x), self.right.forward(x)
        return a + b, (left, right)

    def config(self):
        return {"left": self.left, "right": self.right, "names": self.names}


OWN = {
    "a layer": lambda: Gain(4),
    "float32": lambda: mg.Sequential(mg.Linear(4, 4, dtype="float32"), Gain(4, dtype="float32")),
    "with a buffer": lambda: Counter(4, start=2.0),
    "an activation": lambda: Swish(1.5),
    "a NumPy number": lambda: Swish(np.float32(0.25)),
    "a Linear": lambda: Narrow(4, 3, bias=False, rng=1),
    "a Sequential": lambda: Doubled(mg.Linear(4, 4), Gain(4)),
    "in a Residual": lambda: mg.Residual(mg.Sequential(Counter(4), Swish(3))),
    "a block": lambda: Block(4),
    "a sum": lambda: Sum(Gain(4, 3.0), Block(4, "relu"), ("a", "b")),
    "a sum of sums": lambda: Sum(Sum(Gain(4), mg.Linear(4, 4)), Doubled(Sum(Counter(4), mg.Tanh()))),
}


@pytest.mark.parametrize("kind", OWN)
def test_a_layer_of_ones_own_comes_back_with_its_bits(kind, tmp_path):
    net = mg.Sequential(mg.Linear(4, 4, rng=0), OWN[kind]())
    if net[1].dtype == np.float32:
        net = net[1]
    for array in net.state().values():
        array += 0.5
    mg.save(net, tmp_path / "net")
    again = mg.load(tmp_path / "net")
    assert type(again[1]) is type(net[1])
    assert describe(again) == describe(net)
    assert same_bits(again.state_dict(), net.state_dict())
    assert {a.dtype for a in again.parameters().values()} == {a.dtype for a in net.parameters().values()}
    x = X.astype(net.dtype)
    np.testing.assert_array_equal(again(x), net(x))


def test_what_a_file_says_of_them(tmp_path):
    mg.save(mg.Sequential(Sum(Gain(4), mg.Tanh()), Doubled(Swish(2))), tmp_path / "net")
    text, _ = read_archive(tmp_path / "net", FORMAT)
    gain = ["Gain", {"features": 4, "start": 1.0, "dtype": "float64"}]
    summed = {"left": {"minigrad layer": gain}, "right": {"minigrad layer": ["Tanh", {}]}, "names": []}
    assert text["net"] == ["Sequential", [["Sum", summed], ["Doubled", [["Swish", {"beta": 2}]]]]]


# ---- the class: missing, defined again, of another's name ------------------------------------------------

DEFINES = """
import minigrad as mg, numpy as np
class Far(mg.Layer):
    def __init__(self, n=1): self.n = n
    def forward(self, x): return self.n * x, None
    def backward(self, delta, saved): return self.n * delta, {}
    def config(self): return {"n": self.n}
"""


def test_a_file_imports_nothing_and_says_whose_class_is_missing(tmp_path):
    (tmp_path / "far.py").write_text(DEFINES)
    code = "import far, minigrad as mg; mg.save(mg.Sequential(far.Far(3)), 'net')"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True)
    with pytest.raises(ValueError, match="layer 'Far', which is not known here; .* import the module"):
        mg.load(tmp_path / "net")
    code = "import sys, minigrad as mg\ntry: mg.load('net')\nexcept ValueError: print('far' in sys.modules)\n"
    code += "import far; print(mg.load('net')[0].n)"
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, env=env, text=True)
    assert printed.split() == ["False", "3"]


def defined(source, module="__main__", name="Far"):
    space = {"__name__": module}
    exec(source, space)
    return space[name]


def test_a_class_that_is_defined_again_takes_the_place_of_the_older(tmp_path):
    old = mg.Sequential(defined(DEFINES)(2))
    mg.save(old, tmp_path / "net")
    newer = defined(DEFINES.replace("self.n * x", "100 * self.n * x"))
    assert type(mg.load(tmp_path / "net")[0]) is newer
    mg.save(old, tmp_path / "again")  # as in a notebook whose cell was run again after the training
    assert mg.load(tmp_path / "again")(X[:1])[0, 0] == 200 * X[0, 0]
    defined(DEFINES.replace("n=1", "m"))
    with pytest.raises(TypeError, match=r"layer 0, a Far, .*unexpected keyword argument 'n'.*\n.*def config"):
        mg.save(old, tmp_path / "third")


def test_two_classes_of_one_name_are_told_apart(tmp_path):
    first, second = defined(DEFINES, "one"), defined(DEFINES, "two")
    mg.save(mg.Sequential(second()), tmp_path / "net")
    with pytest.raises(TypeError, match="for the Far that is two.Far; give the class one.Far another name"):
        mg.save(mg.Sequential(first()), tmp_path / "other")
    assert os.listdir(tmp_path) == ["net"]


@pytest.mark.parametrize("name", ["Tanh", "Linear", "Sequential"])
def test_a_name_of_minigrads_own_stays_minigrads(name, tmp_path):
    theirs = defined(DEFINES.replace("Far", name), name=name)
    assert LAYERS[name] is getattr(mg, name)
    net = mg.Sequential(mg.Linear(4, 4), theirs())
    assert net(X).shape == (5, 4)  # it works, but
    with pytest.raises(TypeError, match=f"layer 1, a {name}, .*give the class __main__.{name} another name"):
        mg.save(net, tmp_path / "net")
    assert not any(tmp_path.iterdir())


def test_what_is_only_derived_from_is_not_built(tmp_path):
    with pytest.raises(TypeError, match="Activation is only there to be derived from"):
        mg.save(mg.Sequential(mg.layers.activations.Activation()), tmp_path / "net")
    write_archive(tmp_path / "net", {"format": FORMAT, "net": ["Sequential", [["Activation", {}]]]}, {})
    with pytest.raises(ValueError, match="layer 'Activation', which is not known"):
        mg.load(tmp_path / "net")


def test_a_dataclass_with_slots_is_made_twice_and_saved_once(tmp_path):
    @dataclass(slots=True)
    class Scaled(mg.Layer):
        factor: float = 1.0

        def forward(self, x):
            return self.factor * x, None

        def config(self):
            return {"factor": self.factor}

    mg.save(mg.Sequential(Scaled(2.0)), tmp_path / "net")
    assert mg.load(tmp_path / "net")[0].factor == 2.0


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
