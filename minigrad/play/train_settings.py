"""What the training scene trains, as one dict that an address can hold: its controls, checked, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import datasets
from .._advice import shown
from .._checks import one_of, whole_number
from ..layers.activations import ACTIVATIONS
from ..layers.initializers import INITIALIZERS
from ..losses import LOSSES
from ..training.optimizers import OPTIMIZERS
from . import train_data
from .controls import Control, checked, choice, number, settings, whole

Settings = dict[str, Any]
Hidden = list[list[Any]]  # [width, activation] of each hidden layer

DEPTH, WIDTH, BATCH, SHOWN = 8, 64, 2048, 32  # at most: hidden layers, their width, a batch, its samples that are drawn
ALONE, TWIN, TANH_START = "none", "twin", "tanh_equivalent"
SPEEDS = {"slow": 5.0, "normal": 250.0, "fast": 1e9}  # steps a second, at most
INITS = (*INITIALIZERS, TANH_START)
COMPARED = (
    ALONE, TWIN, *(f"activation:{kind}" for kind in ACTIVATIONS), *(f"init:{name}" for name in INITS),
)  # fmt: skip


def _hidden(value: Any, name: str) -> Hidden:
    """[[width, activation], ...]."""
    if not isinstance(value, list) or not all(isinstance(row, list | tuple) and len(row) == 2 for row in value):
        raise TypeError(f"{name} is {shown(value)}, expected a list of [width, activation]")
    if len(value) > DEPTH:
        raise ValueError(f"{name} has {len(value)} layers, expected at most {DEPTH}")
    return [
        [whole_number(width, f"the width of layer {i}", 1, WIDTH), one_of(kind, "activation", ACTIVATIONS)]
        for i, (width, kind) in enumerate(value, 1)
    ]


def _table(value: Any, name: str) -> str:
    """The text of a table that can be read, or "" for none."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {shown(value)}")
    if value:
        train_data.parse(value)
    return value


CONTROLS = {
    "data": Control("moons", choice((*datasets.NAMES, train_data.TABLE))),
    "table": Control("", _table),
    "scale": Control("standard", choice(datasets.SCALES)),
    "hidden": Control([[8, "sigmoid"], [8, "sigmoid"]], _hidden),
    "output": Control("identity", choice(ACTIVATIONS)),
    "init": Control("glorot_uniform", choice(INITS)),
    "loss": Control("cross_entropy", choice(LOSSES)),
    "optimizer": Control("adam", choice(OPTIMIZERS)),
    "lr": Control(0.03, number(1e-300, 1e300)),
    "momentum": Control(0.0, number(0, 0.999)),
    "batch": Control(32, whole(1, BATCH)),
    "seed": Control(0, whole(0, 2**32 - 1)),
    "compare": Control(ALONE, choice(COMPARED)),
    "sample": Control(0, whole(0, SHOWN)),
    "speed": Control("normal", choice(SPEEDS)),
    "steps": Control(0, whole(0, 10**9)),
}
WATCHED = ("compare", "sample", "speed", "steps")  # they leave the run as it is


def read(state: Mapping[str, Any] | None) -> tuple[Settings, list[str]]:
    """The settings that a state says, and notes of what in it cannot be."""
    found, notes = settings(state, CONTROLS)
    if found["data"] == train_data.TABLE and not found["table"]:
        found["data"] = CONTROLS["data"].default
        notes.append(f"The address says that the data is a table, and has none: it is {found['data']} now.")
    for name, problem, remedy in CONFLICTS:
        if words := problem(found):
            found[name] = remedy
            notes.append(f"The address says: {words}; {name} is {remedy} now.")
    return found, notes


def changed(setting: Settings, name: str, value: Any) -> Settings:
    """The settings with one control changed, and what no longer fits put back. ValueError or TypeError, in words.

    Besides CONTROLS: layers (how many are hidden), activation (of all of them), width-1, activation-1, ... of one.
    """
    layer = _layer(setting, name)
    if name == "layers":
        new = setting | {"hidden": _deeper(setting["hidden"], whole(0, DEPTH)(value, name))}
    elif name == "activation":
        kind = one_of(value, "activation", ACTIVATIONS)
        new = setting | {"hidden": [[width, kind] for width, _ in setting["hidden"]]}
    elif layer is not None:
        row = list(setting["hidden"][layer])
        if name.startswith("width"):
            row[0] = whole(1, WIDTH)(value, name)
        else:
            row[1] = one_of(value, "activation", ACTIVATIONS)
        new = setting | {"hidden": [row if i == layer else other for i, other in enumerate(setting["hidden"])]}
    else:
        new = setting | {name: checked(CONTROLS, name, value)}
        if name == "table":
            new["data"] = train_data.TABLE if new["table"] else CONTROLS["data"].default
    return _fitting(new, name)


def _layer(setting: Settings, name: str) -> int | None:
    """The hidden layer that a control such as width-2 is of, from 0; None where it is of none."""
    kind, _, place = name.rpartition("-")
    if kind not in ("width", "activation") or not place.isdecimal():
        return None
    return whole(1, len(setting["hidden"]))(place, "the layer") - 1


def _deeper(hidden: Hidden, count: int) -> Hidden:
    """So many layers: the first ones, or copies of the last one added."""
    last = hidden[-1] if hidden else list(CONTROLS["hidden"].default[0])
    return [*hidden[:count], *(list(last) for _ in range(count - len(hidden)))]


# ---- what does not go together ---------------------------------------------------------------------------


def _no_table(setting: Settings) -> str:
    missing = setting["data"] == train_data.TABLE and not setting["table"]
    return "there is no table yet: paste one first" if missing else ""


def _no_probabilities(setting: Settings) -> str:
    wrong = setting["loss"] == "bce" and setting["output"] != "sigmoid"
    return "the loss bce wants probabilities: give the output a sigmoid, or take bce_with_logits" if wrong else ""


def _no_tanh_start(setting: Settings) -> str:
    kinds = {kind for _, kind in setting["hidden"]}
    fits = setting["init"] != TANH_START or kinds in ({"sigmoid"}, {"centered_sigmoid"})
    return "" if fits else f"the init {TANH_START} is for nets of sigmoids, or of centered_sigmoids, alone"


def _no_comparison(setting: Settings) -> str:
    compare, kinds = setting["compare"], {kind for _, kind in setting["hidden"]}
    if compare == TWIN and "sigmoid" not in kinds:
        return "only a net with sigmoids has a tanh twin"
    if compare.startswith("activation:") and not kinds:
        return "a net without hidden layers has no activation to be compared"
    if compare == f"init:{TANH_START}":
        return _no_tanh_start(setting | {"init": TANH_START})
    return ""


CONFLICTS: list[tuple[str, Callable[[Settings], str], Any]] = [  # (control, what is wrong in words, what mends it)
    ("loss", _no_probabilities, "bce_with_logits"),
    ("init", _no_tanh_start, "glorot_uniform"),
    ("compare", _no_comparison, ALONE),
]


def _fitting(setting: Settings, name: str) -> Settings:
    """The settings, with an init or a comparison that no longer fits put back; ValueError where `name` is at fault."""
    if words := _no_table(setting) or _no_probabilities(setting):
        raise ValueError(words)
    for control, problem, remedy in CONFLICTS[1:]:
        if words := problem(setting):
            if name == control:
                raise ValueError(words)
            setting = setting | {control: remedy}
    return setting


def other(setting: Settings) -> Settings:
    """The settings of the second net, which differ in what is compared; of a twin they are the same."""
    kind, _, name = setting["compare"].partition(":")
    if kind == "activation":
        start = "glorot_uniform" if setting["init"] == TANH_START and "sigmoid" not in name else setting["init"]
        return setting | {"hidden": [[width, name] for width, _ in setting["hidden"]], "init": start}
    return setting | {"init": name} if kind == "init" else setting


# ---- what can be chosen ------------------------------------------------------------------------------------


def choices(setting: Settings) -> dict[str, list[list[str]]]:
    """[[value, label], ...] of each control that is a list; comparisons that fit the net alone."""
    compared = [kind for kind in COMPARED if not _no_comparison(setting | {"compare": kind})]
    return {
        "data": [[name, name] for name in datasets.NAMES] + [[train_data.TABLE, "a table (CSV)"]],
        "scale": [["none", "as they are"], ["unit", "between 0 and 1"], ["standard", "mean 0, spread 1"]],
        "activation": [[kind, kind.replace("_", " ")] for kind in ACTIVATIONS],
        "init": [[name, name.replace("_", " ")] for name in INITS],
        "loss": [[kind, kind.replace("_", " ")] for kind in LOSSES],
        "optimizer": [[kind, cls.__name__] for kind, cls in OPTIMIZERS.items()],
        "compare": [[kind, compared_with(kind)] for kind in compared],
        "speed": [[name, name] for name in SPEEDS],
    }


def samples(N: int) -> list[list[str]]:
    """[[value, label], ...]: the batch of N samples, and those of them that are drawn."""
    return [["0", f"all {N} samples, the mean"], *([str(n), f"sample {n} alone"] for n in range(1, min(N, SHOWN) + 1))]


def compared_with(compare: str) -> str:
    """The second net in words."""
    kind, _, name = compare.partition(":")
    words = {ALONE: "nothing", TWIN: "its tanh twin", "activation": "the same with", "init": "the same from"}[kind]
    return f"{words} {name.replace('_', ' ')}".rstrip()
