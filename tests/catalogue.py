"""An example of all that minigrad has: layers, losses, optimisers, initialisers, diagnostics and studies.

What there is, is read off the classes; how to make one, from the names of its arguments. Only what these do not tell is
written here: ARGUMENTS of layers, the DATA of losses, DIAGNOSTIC_ARGUMENTS. Whatever has no example is in
WITHOUT_EXAMPLE, with the reason, and fails by name in test_catalogue.py.
"""

import functools
import importlib
import inspect
import pkgutil
import re
from dataclasses import dataclass

import numpy as np

import minigrad as mg
from minigrad import diagnostics as dg
from minigrad import studies
from minigrad.layers.activations import Activation
from minigrad.layers.base import LAYERS

WIDTH = 4  # of the input of every example of a layer, and of its output
WITHOUT_EXAMPLE = {}  # name -> why the catalogue has none


def subclasses(base, root="minigrad"):
    """All classes derived from base, at any depth, that are defined in that package; in the order of definition."""
    found = {}
    for cls in base.__subclasses__():
        if cls.__module__.partition(".")[0] == root:
            found[cls] = None
            found |= dict.fromkeys(subclasses(cls, root))
    return list(found)


def snake_case(name):
    """BCEWithLogits -> bce_with_logits: the name of a kernel, or of a choice on the command line."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def made(cls, arguments):
    """An instance, with those of its arguments that have no default from {name: value}; None where one is unknown."""
    given, unpacked = {}, ()
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL and name in arguments:
            unpacked = arguments[name]()
        elif parameter.default is parameter.empty:
            if name not in arguments:
                WITHOUT_EXAMPLE[cls.__name__] = f"tests/catalogue.py does not know a value for its argument {name!r}"
                return None
            given[name] = arguments[name]()
    return cls(*unpacked, **given)


def with_example(classes, make):
    """Those of the classes that have an example."""
    return [cls for cls in classes if make(cls) is not None]


# ---- layers --------------------------------------------------------------------------------------------------

ARGUMENTS = {  # of a layer, by name: a fresh value for each instance
    **dict.fromkeys(["in_features", "out_features", "num_features", "normalized_shape", "features"], lambda: WIDTH),
    "layers": lambda: [mg.Linear(WIDTH, WIDTH, rng=1), mg.Tanh()],
    "rng": lambda: 0,
}


def layer(cls):
    """An example of a layer, always with the same weights: it takes x (N, WIDTH). None where there is none."""
    arguments = inspect.signature(cls).parameters
    return made(functools.partial(cls, rng=0) if "rng" in arguments else cls, ARGUMENTS)


ACTIVATION_CLASSES = {cls.kind: cls for cls in subclasses(Activation)}
LAYER_CLASSES = [  # those that a file can hold: what the studies write for themselves is derived from them
    cls for cls in subclasses(mg.Layer) if LAYERS.get(cls.__name__) is cls and not issubclass(cls, Activation)
]
KINDS = tuple(ACTIVATION_CLASSES)


def _is_kinked(cls):
    """Does f' jump at 0? There no difference quotient is right."""
    try:
        return abs(np.diff(cls().slope(np.array([-1e-9, 1e-9])))[0]) > 1e-6
    except (ValueError, KeyError):  # it has no kernel, which test_catalogue.py says by name
        return False


KINKED = tuple(kind for kind, cls in ACTIVATION_CLASSES.items() if _is_kinked(cls))
SMOOTH = tuple(kind for kind in KINDS if kind not in KINKED)


def activations(values=(0.2, 0.5, 1.5, 2.0)):
    """Every activation as it is by default, and those that have an argument with each of these values too."""
    yield from (cls() for cls in ACTIVATION_CLASSES.values())
    for cls in ACTIVATION_CLASSES.values():
        if inspect.signature(cls).parameters:
            yield from map(cls, values)


def layers():
    """Every layer that is no activation, in its modes and with and without what is optional."""
    for cls in with_example(LAYER_CLASSES, layer):
        yield layer(cls)
        if "bias" in inspect.signature(cls).parameters:
            yield cls(WIDTH, WIDTH, bias=False, rng=0)
        if issubclass(cls, mg.BatchNorm | mg.Dropout):
            yield layer(cls).eval()


# ---- losses --------------------------------------------------------------------------------------------------


def numbers(rng, N, K):
    return rng.standard_normal((N, K))


def inside_0_and_1(rng, N, K):
    return rng.uniform(0.05, 0.95, (N, K))


def shares(rng, N, K):
    return rng.random((N, K))


def classes(rng, N, K):
    return rng.integers(0, K, N)


def distributions(rng, N, K):
    y = rng.random((N, K)) ** 3 + 0.01
    return y / y.sum(axis=1, keepdims=True)


DATA = {  # what a loss is given, as {prefix of the kernel's name: (output, targets)}; for others, any numbers
    mg.BCELoss: {"": (inside_0_and_1, shares)},
    mg.BCEWithLogitsLoss: {"": (numbers, shares)},
    mg.CrossEntropyLoss: {"": (numbers, classes), "soft_": (numbers, distributions)},
}


@dataclass(frozen=True)
class LossExample:
    """A loss with the outputs and the targets that it takes: functions of (rng, N, K)."""

    loss: mg.Loss
    output: object
    targets: object

    @property
    def of_probabilities(self):
        """Must the outputs lie in [0, 1], so that a net needs a Sigmoid at its end?"""
        return self.output is inside_0_and_1

    @property
    def least_outputs(self):
        """The smallest K that it takes."""
        return 2 if isinstance(self.loss, mg.CrossEntropyLoss) else 1

    def pair(self, rng, N, K):
        return self.output(rng, N, K), self.targets(rng, N, K)


def loss_examples():
    """{name of the kernel: LossExample}."""
    found = {}
    for cls in list(mg.losses.LOSSES.values()):
        if cls not in DATA and cls.targets is not mg.Loss.targets:
            WITHOUT_EXAMPLE[cls.__name__] = "it has targets of its own: say in DATA of tests/catalogue.py what it takes"
            continue
        for prefix, (output, targets) in DATA.get(cls, {"": (numbers, numbers)}).items():
            found[prefix + snake_case(cls.__name__.removesuffix("Loss"))] = LossExample(cls(), output, targets)
    return found


LOSS_CLASSES = list(mg.losses.LOSSES.values())
LOSSES = loss_examples()


def examples_of(loss):
    """The examples of a loss's class: one for each kind of targets."""
    return [example for example in LOSSES.values() if type(example.loss) is type(loss)]


# ---- optimisers ----------------------------------------------------------------------------------------------

OPTIMIZER_CLASSES = {cls.__name__.lower(): cls for cls in subclasses(mg.Optimizer)}
# name: a function of lr and the other arguments. The rules that a flag of SGD switches on are optimisers of their own.
OPTIMIZERS = OPTIMIZER_CLASSES | {
    "momentum": functools.partial(mg.SGD, momentum=0.9),
    "nesterov": functools.partial(mg.SGD, momentum=0.9, nesterov=True),
}

# ---- diagnostics and initialisers ----------------------------------------------------------------------------


def public(module):
    """{name: value} of the functions and classes that a module, or a package, defines and offers."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", "").startswith(module.__name__)
    }


def package_modules(package):
    """The modules of a package, imported."""
    return [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]


DIAGNOSTICS = public(dg)
DIAGNOSTIC_FUNCTIONS = {name: f for name, f in DIAGNOSTICS.items() if inspect.isfunction(f)}
# The functions (rng, K, J) of the module; normal(std) makes one.
INITIALIZERS = {
    n: f for n, f in public(mg.initializers).items() if [*inspect.signature(f).parameters] == ["rng", "K", "J"]
}


def defined_diagnostics():
    """The names of the diagnostics: what the package offers, and what a module of it has under @quiet."""
    found = dict.fromkeys(DIAGNOSTICS)
    for module in package_modules(dg):
        found |= {n: None for n, f in public(module).items() if inspect.isfunction(f) and hasattr(f, "__wrapped__")}
    return list(found)


def takes_arrays(function):
    """Is one of its arguments an array, to judge by the names?"""
    return bool(
        set(inspect.signature(function).parameters) & {"a", "x", "y", "u", "d", "Q", "update", "pattern", "signs"}
    )


def samples():
    return np.random.default_rng(0).standard_normal((6, WIDTH))


def sigmoids():
    return mg.mlp([WIDTH, 5, 3], rng=0)


def pair():
    delta = np.random.default_rng(1).standard_normal((6, 3))
    return mg.WeightGradient(delta, samples())


def backward_pass():
    return mg.backprop(sigmoids(), mg.CrossEntropyLoss(), samples(), np.arange(6) % 3)


DIAGNOSTIC_ARGUMENTS = {  # by name; LOCAL where a function means something else by it
    "a": samples,
    "g": pair,
    "bp": backward_pass,
    "net": sigmoids,
    "loss": mg.CrossEntropyLoss,
    "x": samples,
    "y": lambda: np.arange(6) % 3,
    "Q": lambda: np.linalg.qr(np.random.default_rng(2).standard_normal((WIDTH, WIDTH)))[0],
    "K": lambda: 2,
    "J": lambda: 3,
    "r": lambda: 1,
    "d": samples,
    "u": lambda: np.arange(1.0, 5.0),
    "update": lambda: np.random.default_rng(3).standard_normal((3, WIDTH)),
    "pattern": lambda: np.array([1.0, -1, 1, -1]),
    "signs": lambda: np.array([1.0, -1, 1, -1]),
    "batch_size": lambda: 2,
    "activation": lambda: "tanh",
    "gain": lambda: 1.5,
    "length": lambda: 3.0,
    "eps": lambda: 0.5,
    "matrices": dict,
    "rng": lambda: 0,
}
LOCAL = {"survival_probability": {"r": lambda: 0.5}}


def diagnosed(name):
    """What a diagnostic finds in its example. A KeyError with words where an argument is unknown."""
    known = DIAGNOSTIC_ARGUMENTS | LOCAL.get(name, {})
    needed = [
        argument
        for argument, parameter in inspect.signature(DIAGNOSTICS[name]).parameters.items()
        if parameter.default is parameter.empty or argument in ("rng", "x")
    ]
    unknown = [argument for argument in needed if argument not in known]
    if unknown:
        raise KeyError(f"tests/catalogue.py does not know a value for the arguments {unknown} of {name}")
    return DIAGNOSTICS[name](**{argument: known[argument]() for argument in needed})


# ---- studies -------------------------------------------------------------------------------------------------


def study_modules():
    """{name: module} of the studies: the modules of minigrad.studies that register one."""
    found = {module.__name__.rpartition(".")[2]: module for module in package_modules(studies)}
    return {name: m for name, m in found.items() if "\nregister(" in inspect.getsource(m)}
