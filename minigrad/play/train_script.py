"""The run of the training scene as a Python script, which makes the same numbers to the last bit."""

from __future__ import annotations

from ..layers.activations import ACTIVATIONS
from ..losses import LOSSES, CrossEntropyLoss
from ..training.optimizers import OPTIMIZERS
from . import train_data
from .train_run import Run, alike, data_of
from .train_settings import TWIN, Settings, other

HEAD = '''"""The run that minigrad's playground showed, to the last bit."""

import numpy as np

import minigrad as mg
from minigrad import diagnostics as dg

np.seterr(all="ignore")
'''

TRAIN = '''

def train(net, loss, opt, steps):
    """Take so many steps, and return the samples of the next one."""
    rng = np.random.default_rng({seed})
    for step in range(steps + 1):
        place = step % {epoch}
        if place == 0:
            order = rng.permutation(len(x))
        batch = order[place * {batch} : place * {batch} + {batch}]
        if step < steps:
            opt.step(net, mg.backprop(net, loss, x[batch], y[batch]))
    return batch
'''

SHOW = '''

def show(net, loss, batch, name=""):
    """Print the numbers that the page shows, each with its name."""
    print(name + "loss", float(loss(net(x), y)))
    print(name + "accuracy", float(mg.accuracy(net(x), classes)))
'''

SHOW_TEST = """\
    print(name + "test-loss", float(loss(net(x_test), y_test)))
    print(name + "test-accuracy", float(mg.accuracy(net(x_test), classes_test)))
"""

SHOW_LAYERS = """\
    bp = mg.backprop(net, loss, x[batch], y[batch])
    if not all(np.isfinite(array).all() for array in [*bp.activations, *(g.delta for g in bp.gradients.values())]):
        return
    size, expected, saturated = dg.attenuation(bp), dg.mean_field_norms(net, bp), dg.saturation(net, x[batch])
    for l, (path, g) in enumerate(bp.gradients.items()):
        print(f"{name}single-signed.{path}", dg.single_signed_share(g))
        print(f"{name}single-signed-samples.{path}", dg.single_signed_share(g, per_sample=True))
        print(f"{name}delta-norm.{path}", float(size.norms[l]))
        if path in expected:
            print(f"{name}mean-field.{path}", expected[path])
        if l < len(size.decades):
            print(f"{name}decades.{path}", float(size.decades[l]))
        print(f"{name}condition.{path}", dg.condition_number(g.a, bias=True, null_space=False))
        if (behind := str(int(path) + 1)) in saturated:
            print(f"{name}saturated.{path}", saturated[behind].low + saturated[behind].high)
"""


def script(setting: Settings, run: Run, second: Run | None) -> str:
    """The script of a run, and of the one that it is compared with."""
    lines = [HEAD, _data(setting), TRAIN.format(seed=setting["seed"], epoch=run.epoch, batch=setting["batch"]), SHOW]
    lines += [SHOW_TEST] if run.data.x_test is not None else []
    lines += [SHOW_LAYERS, "\n\n", _net(setting), _training(setting, run, "")]
    if second is not None:
        lines += ["\n", _net(other(setting))]
        lines += ["net = dg.tanh_twin(net)\n"] if setting["compare"] == TWIN else []
        lines += [_training(setting, second, "other-")]
    return "".join(lines)


def _data(setting: Settings) -> str:
    data = data_of(setting)
    test = data.x_test is not None
    if setting["data"] == train_data.TABLE:
        x, y, _, _ = train_data.parse(setting["table"])
        text = f"x = np.array({x.tolist()})\nclasses = np.array({y.tolist()})\n"
        if test:
            split = f"held_out = np.arange(len(x)) % {train_data.HELD_OUT} == {train_data.HELD_OUT - 1}\n"
            text += f"{split}x, x_test = x[~held_out], x[held_out]\n"
            text += "classes, classes_test = classes[~held_out], classes[held_out]\n"
    else:
        names = "x, classes, x_test, classes_test" if test else "x, classes, _, _"
        text = f"{names} = mg.datasets.load({setting['data']!r})\n"
    text += f"shift, spread = mg.datasets.scaling(x, {setting['scale']!r})\n"
    text += "x, x_test = (x - shift) / spread, (x_test - shift) / spread\n" if test else "x = (x - shift) / spread\n"
    if LOSSES[setting["loss"]] is CrossEntropyLoss:
        return text + ("y, y_test = classes, classes_test\n" if test else "y = classes\n")
    K = len(data.classes)
    text += f"y = np.eye({K})[classes]\n"
    return text + (f"y_test = np.eye({K})[classes_test]\n" if test else "")


def _net(setting: Settings) -> str:
    data, hidden = data_of(setting), setting["hidden"]
    sizes = [data.x.shape[1], *(width for width, _ in hidden), len(data.classes)]
    kinds, init, seed = [kind for _, kind in hidden], setting["init"], setting["seed"]
    tail = _call(setting["output"])
    if alike(kinds):
        text = f"net = mg.mlp({sizes}, {kinds[0]!r}, init={init!r}, rng={seed})\n"
        return text + (f"net = mg.Sequential(*net, {tail})\n" if tail else "")
    text = f"rng = np.random.default_rng({seed})\nnet = mg.Sequential(\n"
    for J, K, after in zip(sizes, sizes[1:], [*map(_call, kinds), tail], strict=False):
        text += f"    mg.Linear({J}, {K}, init={init!r}, rng=rng),{f' {after},' if after else ''}\n"
    return text + ")\n"


def _call(kind: str) -> str:
    """The code that makes an activation; none for the identity."""
    return "" if kind == "identity" else f"mg.{ACTIVATIONS[kind].__name__}()"


def _training(setting: Settings, run: Run, name: str) -> str:
    momentum = f", momentum={setting['momentum']!r}" if setting["optimizer"] == "sgd" else ""
    opt = f"mg.{OPTIMIZERS[setting['optimizer']].__name__}(lr={setting['lr']!r}{momentum})"
    loss = f"mg.{LOSSES[setting['loss']].__name__}()"
    lines = f'print("{name}steps", {run.steps})\nprint("{name}epochs", {run.steps // run.epoch})\n'
    show = f"show(net, loss, batch{f', {name!r}' if name else ''})"
    return f"loss, opt = {loss}, {opt}\nbatch = train(net, loss, opt, {run.steps})\n{show}\n{lines}"
