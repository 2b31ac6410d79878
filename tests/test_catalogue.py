"""One walk over all that minigrad has: of every layer, activation, loss, optimiser, initialiser, diagnostic and study,
what is missing, by name. What there is, tests/catalogue.py reads off the classes: a new class needs no line here.
"""

import contextlib
import copy
import inspect
import io
import re

import catalogue
import numpy as np
import pytest
from copying import COPIERS, contents
from oracles import same_bits

import minigrad as mg
from minigrad.cli import main as command_line
from minigrad.kernels import twin
from minigrad.kernels.backend import core
from minigrad.studies import CLAIMS, STUDIES

COMPILED = hasattr(core, "Program")
SHAPE = re.compile(r"\((\.\.\., )?[A-Z]([+-]\d)?(,[\w .+-]*)+\)|\(\.\.\., [A-Z]\)")  # (N, K), (N,), (J+1,), (..., K)
X = np.random.default_rng(0).standard_normal((8, catalogue.WIDTH))


# ---- what is asked of each; every function returns words for what is missing, or nothing -------------------------


def exported(cls):
    if cls.__name__ not in mg.__all__ or getattr(mg, cls.__name__, None) is not cls:
        return "is not exported: add it to the imports and to __all__ of minigrad/__init__.py"
    return None


def repr_makes_an_equal_one(value):
    try:
        again = eval(repr(value), vars(mg) | {"__builtins__": {}})
    except Exception as error:
        return f"repr gives {value!r}, which cannot be evaluated: {error!r}"
    if type(again) is not type(value) or repr(again) != repr(value) or settings(again) != settings(value):
        return f"repr gives {value!r}, which makes another one"
    return None


def settings(value):
    """The numbers, words and flags that an object keeps."""
    return {n: v for n, v in vars(value).items() if isinstance(v, bool | int | float | str | tuple) and n != "training"}


def copies_do_the_same(make):
    for name, copied in COPIERS.items():
        try:
            if contents(copied(make())) != contents(make()):
                return f"{name} gives one that holds or computes something else"
        except Exception as error:
            return f"{name} does not copy it: {error!r}"
    return None


def comes_back_from_a_file(layer, path):
    net = mg.Sequential(copy.deepcopy(layer)).train()
    try:
        net(X)  # running statistics are then no longer what they begin with
        mg.save(net.eval(), path)
        back = mg.load(path).eval()
    except Exception as error:
        return f"save and load refuse it: {error}"
    if repr(back) != repr(net) or not same_bits(back.state(), net.state()) or back(X).tobytes() != net(X).tobytes():
        return f"save and load make {back!r} of {net!r}, with other arrays or another output"
    return None


def gradients_are_right(layers, loss, y):
    rng = np.random.default_rng(3)
    net = mg.Sequential(*copy.deepcopy(layers))
    for array in net.parameters().values():
        array += 0.3 * rng.standard_normal(array.shape)
    try:
        mg.gradcheck(net, loss, X, y)
    except Exception as error:
        return f"gradcheck: {error}"
    return None


def equation(cls, left):
    if left not in (cls.__doc__ or ""):
        return f"has a docstring without its equation, {left} ..."
    return None


def shape(value):
    if not SHAPE.search(value.__doc__ or ""):
        return "has a docstring without a shape, such as (N, K)"
    return None


def has_kernels(works):
    """works(module): does the kernel answer, in the twin and, where it is compiled, in the core?"""
    missing = []
    for module in [twin, core] if COMPILED else [twin]:
        try:
            works(module)
        except (ValueError, KeyError, AttributeError) as error:
            missing.append(f"has no kernel in {module.__name__}: {error!r}")
    return "; ".join(missing) or None


def is_a_choice(option, name):
    """Is it among the choices of that option of `minigrad train`?"""
    complaint = io.StringIO()
    with contextlib.redirect_stderr(complaint), contextlib.suppress(SystemExit):
        command_line.build_parser().parse_args(["train", "--data", "iris", option, name])
    if "invalid choice" in complaint.getvalue():
        return f"is not among the choices of `minigrad train {option}`: {name!r}"
    return None


def trained(engine, layers, loss, opt, y):
    """Bits of the weights and the losses after two epochs with that engine."""
    net, opt = mg.Sequential(*copy.deepcopy(layers)), copy.deepcopy(opt)
    history = mg.fit(net, loss, opt, X, y, epochs=2, batch_size=4, rng=0, engine=engine, progress=False)
    return [array.tobytes() for array in net.state().values()], history.loss


def works_in_both_engines(layers, loss, opt, y, name, refusable=False):
    """The same bits in both; or, for what may be refused, a refusal by the fused engine that names it."""
    try:
        by_hand = trained("python", layers, loss, opt, y)
    except Exception as error:
        return f"the Python loop does not train with it: {error!r}"
    if not COMPILED:
        return None
    try:
        if trained("fused", layers, loss, opt, y) != by_hand:
            return "the fused engine ends with other bits than the Python loop"
    except ValueError as error:
        if not refusable or name not in str(error):
            return f"the fused engine refuses it: {error}"
    return None


def complain(name, *findings):
    """Fails with all that is missing of a thing."""
    assert name not in catalogue.WITHOUT_EXAMPLE, f"{name} has no example: {catalogue.WITHOUT_EXAMPLE[name]}"
    missing = [words for words in findings if words]
    assert not missing, f"{name} " + f"\n{name} ".join(missing)


# ---- the walk --------------------------------------------------------------------------------------------------

named = {"ids": lambda cls: getattr(cls, "__name__", cls)}
Y = np.random.default_rng(4).standard_normal((8, catalogue.WIDTH))


@pytest.mark.parametrize("cls", catalogue.LAYER_CLASSES, **named)
def test_a_layer_is_complete(cls, tmp_path):
    example = catalogue.layer(cls)
    complain(cls.__name__) if example is None else None
    layers = [mg.Linear(catalogue.WIDTH, catalogue.WIDTH, rng=0), example]
    complain(
        cls.__name__,
        exported(cls),
        repr_makes_an_equal_one(example),
        copies_do_the_same(lambda: catalogue.layer(cls)),
        comes_back_from_a_file(example, tmp_path / "net.npz"),
        gradients_are_right(layers, mg.MSELoss(), Y),
        shape(cls),
        works_in_both_engines(layers, mg.MSELoss(), mg.SGD(0.1), Y, cls.__name__, refusable=True),
    )


@pytest.mark.parametrize("cls", catalogue.ACTIVATION_CLASSES.values(), **named)
def test_an_activation_is_complete(cls, tmp_path):
    first = mg.Linear(catalogue.WIDTH, catalogue.WIDTH, rng=0)
    findings = [
        has_kernels(lambda module: module.activation(cls.kind, X)),
        has_kernels(lambda module: module.activation_backward(cls.kind, X, X)),
        exported(cls),
        equation(cls, "f(z) ="),
        is_a_choice("--activation", cls.kind),
    ]
    for example in (f for f in catalogue.activations() if type(f) is cls):
        findings += [
            repr_makes_an_equal_one(example),
            copies_do_the_same(lambda example=example: example),
            comes_back_from_a_file(example, tmp_path / "net.npz"),
            gradients_are_right([first, example], mg.MSELoss(), Y),
            works_in_both_engines([first, example], mg.MSELoss(), mg.SGD(0.1), Y, cls.__name__),
        ]
    complain(cls.__name__, *findings)


@pytest.mark.parametrize("cls", catalogue.LOSS_CLASSES, **named)
def test_a_loss_is_complete(cls):
    findings = [exported(cls), equation(cls, "c_n ="), shape(cls)]
    for name, example in catalogue.LOSSES.items():
        if type(example.loss) is cls:
            y = example.targets(np.random.default_rng(5), 8, 3)
            layers = [mg.Linear(catalogue.WIDTH, 3, rng=0), *[mg.Sigmoid()] * example.of_probabilities]
            findings += [
                has_kernels(lambda module, name=name: getattr(module, name)),
                repr_makes_an_equal_one(example.loss),
                copies_do_the_same(lambda example=example: example.loss),
                gradients_are_right(layers, example.loss, y),
                works_in_both_engines(layers, example.loss, mg.SGD(0.1), y, cls.__name__),
            ]
    complain(cls.__name__, *findings)


@pytest.mark.parametrize("cls", catalogue.OPTIMIZER_CLASSES.values(), **named)
def test_an_optimizer_is_complete(cls):
    layers, y = [mg.Linear(catalogue.WIDTH, 5, rng=0), mg.Tanh(), mg.Linear(5, 3, rng=1)], np.arange(8) % 3
    findings = [
        exported(cls),
        equation(cls, "w -=") and equation(cls, "w *="),
        is_a_choice("--optimizer", cls.__name__.lower()),
    ]
    for example in (make(lr=0.01) for make in catalogue.OPTIMIZERS.values() if getattr(make, "func", make) is cls):
        findings += [
            repr_makes_an_equal_one(example),
            copies_do_the_same(lambda example=example: example),
            works_in_both_engines(layers, mg.CrossEntropyLoss(), example, y, cls.__name__),
        ]
    complain(cls.__name__, *findings)


@pytest.mark.parametrize("name", catalogue.INITIALIZERS)
def test_an_initializer_is_complete(name):
    draw = catalogue.INITIALIZERS[name]
    weight = draw(np.random.default_rng(0), 3, 5)
    complain(
        name,
        None if mg.initializers.INITIALIZERS.get(name) is draw else "is not in INITIALIZERS",
        None if weight.shape == (3, 5) else f"draws {weight.shape} for K = 3 and J = 5",
        None if draw.__doc__ else "has no docstring",
        copies_do_the_same(lambda: draw),
        is_a_choice("--init", name),
    )


@pytest.mark.parametrize("name", catalogue.defined_diagnostics())
def test_a_diagnostic_is_complete(name):
    if name not in catalogue.DIAGNOSTICS:
        complain(name, "is not exported: import it in minigrad/diagnostics/__init__.py")
    value = catalogue.DIAGNOSTICS[name]
    findings = [None if value.__doc__ else "has no docstring"]
    if inspect.isfunction(value):
        findings.append(takes_its_example(name))
        if catalogue.takes_arrays(value) and not re.search(r"\b[NKJ]\b", value.__doc__ or ""):
            findings.append(shape(value))
        if not hasattr(value, "__wrapped__"):
            findings.append("leaves the caller's np.errstate in force: decorate it with @quiet")
    complain(name, *findings)


def takes_its_example(name):
    try:
        return copies_do_the_same(lambda: catalogue.diagnosed(name))
    except Exception as error:
        return f"its example fails: {error}"


def test_every_study_is_registered_and_every_claim_has_one():
    modules = catalogue.study_modules()
    missing = [f"{name} is not in minigrad.studies.STUDIES" for name in modules if name not in STUDIES]
    missing += [f"{name} has no docstring" for name, module in modules.items() if not module.__doc__]
    judged = [claim for study in STUDIES.values() for claim in study.claims]
    missing += [
        f"claim {claim} is judged by {judged.count(claim)} studies" for claim in CLAIMS if judged.count(claim) != 1
    ]
    missing += [f"{claim} is no claim" for claim in judged if claim not in CLAIMS]
    missing += [f"{name} has no title" for name, study in STUDIES.items() if not study.title]
    assert not missing, "; ".join(missing)
