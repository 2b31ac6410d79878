"""Layers of one's own in files: what comes back, and which class a file means."""

import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from oracles import same_bits
from own_layers import Block, Counter, Doubled, Gain, Narrow, Swish

import minigrad as mg
from minigrad.files.archive import read_archive, write_archive
from minigrad.files.nets import FORMAT, describe
from minigrad.layers.base import LAYERS

pytestmark = pytest.mark.usefixtures("known_layers_as_before")
X = np.random.default_rng(0).standard_normal((5, 4))


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


@pytest.mark.slow
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
