"""The state of a training run: all that changes while fit runs, copied, put back, written and read."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .._advice import shown
from .._checks import all_finite, real_number, whole_number
from ..files import archive
from ..layers.base import Layer
from ..layers.containers import Sequential
from ..layers.parameters import generators, put_back, settle, tree
from ..losses import Loss
from .history import History
from .optimizers import Optimizer

RUN_FORMAT = "minigrad run 2"
OLDER_FORMAT = "minigrad run 1"  # without the learning rate of now, the settings, and whether a callback ended the run

Snapshot = dict[str, Any]


@dataclass
class Run:
    """What fit was given, and everything that changes while it runs."""

    net: Sequential
    loss: Loss
    opt: Optimizer
    rng: np.random.Generator
    x: np.ndarray
    y: np.ndarray
    validation: tuple[np.ndarray, np.ndarray] | None
    batch_size: int
    shuffle: bool
    history: History = field(default_factory=History)
    rates: list[float] = field(default_factory=list)  # what lr gave for each epoch, where it is a function
    ended: bool = False  # by a callback
    asked: bool = True  # have the callbacks of the last epoch been called?

    def __post_init__(self) -> None:
        self.drawing, self.layout = generators(self.net), containers(self.net)

    # ---- copies ------------------------------------------------------------------------------------------

    def generators(self) -> list[np.random.Generator]:
        """The random generators in play: fit's own, then those of Dropout and of layers of one's own."""
        return [self.rng, *self.drawing]

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array that changes, by its name in a file."""
        found = {f"net.{name}": array for name, array in self.net.state().items()}
        for name in self.net.parameters() if self.opt.slots else ():
            found |= {f"state.{i}.{name}": array for i, array in enumerate(self.opt.state.get(name, ()))}
        return found

    def begin(self) -> None:
        """Take the first snapshot; .start is the state of the net before the first epoch of this call."""
        self.good: Snapshot = self.snapshot()
        self.spare: Snapshot | None = None
        self.start: dict[str, np.ndarray] = self.good["arrays"]

    def keep(self) -> str:
        """Take a snapshot of now as the state to go back to. Memory that is no longer needed is used again.

        Returns the name of a weight that is not finite, and then keeps the state that there was; "" where all are.
        """
        now = self.snapshot(self.spare)
        for name, array in now["arrays"].items():
            if name.startswith("net.") and not all_finite(array):
                return name.removeprefix("net.")
        self.good, self.spare = now, None if self.good["arrays"] is self.start else self.good
        return ""

    def snapshot(self, spare: Snapshot | None = None) -> Snapshot:
        """A copy of all that changes; spare: one that is no longer needed, whose memory is used again."""
        arrays = self.arrays()
        if spare is not None and spare["arrays"].keys() == arrays.keys():
            copies = spare["arrays"]
            for name, array in arrays.items():
                copies[name][...] = array
        else:
            copies = {name: array.copy() for name, array in arrays.items()}
        return {
            "arrays": copies,
            "steps": self.opt.steps,
            "lr": self.opt.lr,
            "rng": [rng.bit_generator.state for rng in self.generators()],
            "epochs": len(self.history),  # its lists only grow, so their length is enough
            "ended": self.ended,
            "asked": self.asked,
        }

    def restore(self, kept: Snapshot) -> None:
        """Put a snapshot back."""
        for container, layers in self.layout:
            container.layers = list(layers)
        arrays, slots = kept["arrays"], range(len(self.opt.slots))
        put_back(self.net, {n.removeprefix("net."): array for n, array in arrays.items() if n.startswith("net.")})
        trained = self.net.parameters() if slots and kept["steps"] else ()
        names = [n for n in trained if all(f"state.{i}.{n}" in arrays for i in slots)]
        state = {name: tuple(arrays[f"state.{i}.{name}"].copy() for i in slots) for name in names}
        self.opt.put_back(kept["steps"], kept["lr"], state)
        for rng, state in zip(self.generators(), kept["rng"], strict=True):
            rng.bit_generator.state = state
        for values in (*self.history.entries().values(), self.rates):
            del values[kept["epochs"] :]
        self.ended, self.asked = kept["ended"], kept["asked"]

    def check_callbacks(self) -> None:
        """Keep what the callbacks made of the run; a ValueError where it cannot go on with that."""
        settle(self.net)
        self.opt.adopt(self.net)  # with arrays for every parameter, as the next step would have them
        for name, array in self.net.state().items():
            if array.shape != self.start.get(f"net.{name}", array).shape or f"net.{name}" not in self.start:
                raise ValueError(f"a callback changed the layers of net: {name} is now of shape {array.shape}")
        epochs = self.good["epochs"]
        for name, values in self.history.entries().items():
            if len(values) != epochs and (name == "loss" or values):
                raise ValueError(f"a callback left {len(values)} entries in history.{name}, not {epochs}")
        if bad := self.keep():
            raise ValueError(f"a callback left NaN or infinity in {bad}")
        self.drawing, self.layout = generators(self.net), containers(self.net)

    # ---- files -------------------------------------------------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """What a checkpoint belongs to: it is refused where any of this is different."""
        positions = {"positions": list(self.x.shape[1:-1])} if self.x.ndim > 2 else {}
        return positions | {
            "net": repr(self.net),
            "loss": repr(self.loss),
            "optimizer": repr(self.opt),
            "settings": self.settings(),
            "data": _digest(self.x, self.y),
            "validation": None if self.validation is None else _digest(*self.validation),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "rng": [rng.bit_generator.state["bit_generator"] for rng in self.generators()],  # their kinds
        }

    def settings(self) -> dict[str, str]:
        """{place: value} of what the constructors of the loss and the layers were given and keep: a layer's p, say."""
        found = {}
        for place, part in [("loss", self.loss), *((f"net.{path}", layer) for path, layer in tree(self.net))]:
            arrays = (*part.parameter_names, *part.buffer_names) if isinstance(part, Layer) else ()
            for name in inspect.signature(type(part)).parameters:
                value = vars(part).get(name)
                if name not in arrays and (text := _in_text(value)) is not None:
                    found[f"{place}.{name}"] = text
        return found

    def save(self, path: Path, identity: dict[str, Any], changed: bool = False) -> None:
        """Write the last snapshot to a file. changed: may a callback have changed the run since identity was taken?"""
        for name, now in (self.identity() if changed else {}).items():
            if now != identity[name]:
                raise ValueError(
                    f"a callback changed the {name} of the run from {_difference(identity[name], now)}; a checkpoint "
                    "holds the weights, lr and random numbers of now, and not that"
                )
        kept = self.good
        text = {"format": RUN_FORMAT, "identity": identity, "rates": self.rates[: kept["epochs"]]}
        text |= {name: kept[name] for name in ("steps", "lr", "rng", "epochs", "ended", "asked")}
        text["history"] = {name: values[: kept["epochs"]] for name, values in self.history.entries().items()}
        archive.write_archive(path, text, kept["arrays"])

    def resume(self, path: Path, identity: dict[str, Any], epochs: int) -> None:
        """Read a snapshot of this very run and put it back; ValueError where it is of another, or damaged."""
        text, arrays = archive.read_archive(path, RUN_FORMAT, OLDER_FORMAT)
        theirs = text["identity"] if isinstance(text.get("identity"), dict) else {}
        for name in {**identity, **theirs}:
            value = identity.get(name)
            if theirs.get(name) != value and (name in theirs or text["format"] == RUN_FORMAT):
                raise ValueError(
                    f"checkpoint {path} belongs to a run with another {name}: it has "
                    f"{_difference(theirs.get(name), value, ', this one ')}"
                )
        before = self.snapshot()
        try:
            self.take(text, arrays)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            self.restore(before)
            raise ValueError(f"checkpoint {path} does not hold the arrays and numbers of this run: {error}") from None
        try:
            self.check_resumed(path, epochs)
        except BaseException:
            self.restore(before)
            raise

    def check_resumed(self, path: Path, epochs: int) -> None:
        """ValueError where what was resumed is longer than what was asked for, or had another function lr.

        OSError where there are epochs left and path could not be written after them.
        """
        done = len(self.history)
        if done < epochs:
            check_checkpoint(path)
        if done > epochs:
            raise ValueError(f"checkpoint {path} is of a run of {done} epochs already, more than epochs={epochs}")
        if len(self.rates) != (done if self.opt.scheduled else 0):
            raise ValueError(f"checkpoint {path} does not hold an lr for each of its {done} epochs")
        for epoch, rate in enumerate(self.rates, 1):
            now = self.opt.scheduled_lr(epoch)
            if now != rate:
                raise ValueError(
                    f"checkpoint {path} belongs to a run with another lr: its function gave {rate!r} for epoch "
                    f"{epoch}, this one gives {now!r}"
                )

    def take(self, text: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Put back what a file holds; an error, perhaps halfway, where it does not fit."""
        steps, epochs = whole_number(text["steps"], "steps", 0), whole_number(text["epochs"], "epochs", 0)
        mine = {f"net.{name}": array for name, array in self.net.state().items()}
        with_state = steps or any(name.startswith("state.") for name in arrays)
        for name, array in self.net.parameters().items() if with_state else ():
            mine |= {f"state.{i}.{name}": array for i in range(len(self.opt.slots))}
        if {n: (a.shape, a.dtype) for n, a in arrays.items()} != {n: (a.shape, a.dtype) for n, a in mine.items()}:
            raise ValueError("names, shapes or types differ")
        archive.check_finite({n: a for n, a in arrays.items() if n.startswith("net.")})  # slots may be infinite
        history, validated = text["history"], self.validation is not None and epochs > 0
        if history.keys() != self.history.entries().keys() or len(history["loss"]) != epochs:
            raise ValueError("its history is not that of its epochs")
        for name, values in history.items():
            if len(values) not in (0, epochs) or (name == "val_loss" and bool(values) != validated):
                raise ValueError("its history is not that of its epochs, with or without validation")
            getattr(self.history, name)[:] = [float(value) for value in values]  # the validation loss may be infinite
        self.rates[:] = [float(rate) for rate in text.get("rates", [])]
        kept = {"arrays": arrays, "steps": steps, "rng": text["rng"], "epochs": epochs}
        older = {"lr": self.opt.config()["lr"], "ended": False, "asked": True}  # of the older format
        kept |= {name: text.get(name, value) for name, value in older.items()}
        if not (isinstance(kept["ended"], bool) and isinstance(kept["asked"], bool)):
            raise ValueError("it does not say whether a callback ended the run")
        if not self.opt.scheduled or kept["lr"] is not None:
            kept["lr"] = real_number(kept["lr"], "lr", 0, open_low=True)
        self.restore(kept)
        self.opt.adopt(self.net)


def check_checkpoint(path: Path) -> None:
    """An OSError, before any work, where the file could not be written."""
    try:
        archive.check_target(path)
    except OSError as error:
        raise OSError(error.errno, f"checkpoint: {error.strerror}", str(path)) from None


def containers(net: Layer) -> list[tuple[Sequential, list[Layer]]]:
    """[(layer, the layers in it), ...] of those that hold others in a list."""
    return [(layer, list(layer.layers)) for _, layer in tree(net) if isinstance(layer, Sequential)]


def _in_text(value: Any) -> str | None:
    """A number, text or array, or a collection of them, as text that is the same in every process; else None."""
    if isinstance(value, np.ndarray):
        return None if value.dtype.hasobject else _digest(value)
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, tuple | list):
        parts = [_in_text(part) for part in value]
        return None if None in parts else f"{type(value).__name__} of {', '.join(map(str, parts))}"
    return repr(value) if isinstance(value, bool | int | float | complex | str | bytes | None) else None


def _digest(*arrays: np.ndarray) -> str:
    """A hash of the bytes of contiguous arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _difference(first: Any, second: Any, between: str = " to ") -> str:
    """Both in words; of dicts, only the entries in which they differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        names = [n for n in {**first, **second} if first.get(n) != second.get(n)]
        first, second = ({n: values.get(n) for n in names} for values in (first, second))
    return f"{shown(first)}{between}{shown(second)}"
