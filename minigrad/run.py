"""The state of a training run: all that changes while fit runs, copied, put back, written and read."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from . import checkpoint as files
from ._checks import all_finite, shown, whole_number
from ._parameters import put_back, settle, tree
from .history import History
from .layers import Dropout
from .losses import Loss
from .networks import Sequential, walk
from .optimizers import Optimizer

RUN_FORMAT = "minigrad run 2"
OLDER_FORMAT = "minigrad run 1"  # without the learning rate of now, the settings, and whether a callback ended the run
PLAIN = (bool, int, float, complex, str, bytes, tuple, list, dict, type(None))


@dataclass
class Run:
    """What fit was given, and everything that changes while it runs."""

    net: Sequential
    loss: Loss
    opt: Optimizer
    rng: np.random.Generator
    x: np.ndarray
    y: np.ndarray
    validation: tuple | None
    batch_size: int
    shuffle: bool
    history: History = field(default_factory=History)
    rates: list = field(default_factory=list)  # what lr gave for each epoch, where it is a function
    ended: bool = False  # by a callback
    asked: bool = True  # have the callbacks of the last epoch been called?

    def __post_init__(self):
        self.dropouts = [layer for _, layer in walk(self.net) if isinstance(layer, Dropout)]

    # ---- copies ------------------------------------------------------------------------------------------

    def generators(self):
        """The random generators in play: fit's own, then each Dropout's."""
        return [self.rng] + [layer.rng for layer in self.dropouts]

    def arrays(self):
        """Every array that changes, by its name in a file."""
        found = {f"net.{name}": array for name, array in self.net.state().items()}
        for name, slots in self.opt.state.items():
            found |= {f"state.{i}.{name}": array for i, array in enumerate(slots)}
        return found

    def begin(self):
        """Take the first snapshot; .start is the state of the net before the first epoch of this call."""
        self.good, self.spare = self.snapshot(), None
        self.start = self.good["arrays"]

    def keep(self):
        """Take a snapshot of now as the state to go back to. Memory that is no longer needed is used again.

        Returns the name of a weight that is not finite, and then keeps the state that there was; "" where all are.
        """
        now = self.snapshot(self.spare)
        for name, array in now["arrays"].items():
            if name.startswith("net.") and not all_finite(array):
                return name.removeprefix("net.")
        self.good, self.spare = now, None if self.good["arrays"] is self.start else self.good
        return ""

    def snapshot(self, spare=None):
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

    def restore(self, kept):
        """Put a snapshot back."""
        arrays, slots = kept["arrays"], range(len(self.opt.slots))
        put_back(self.net, {n.removeprefix("net."): array for n, array in arrays.items() if n.startswith("net.")})
        names = self.net.parameters() if slots and kept["steps"] else ()
        names = [n for n in names if all(f"state.{i}.{n}" in arrays for i in slots)]
        state = {name: tuple(arrays[f"state.{i}.{name}"].copy() for i in slots) for name in names}
        self.opt.put_back(kept["steps"], kept["lr"], state)
        for rng, state in zip(self.generators(), kept["rng"], strict=True):
            rng.bit_generator.state = state
        for values in (*vars(self.history).values(), self.rates):
            del values[kept["epochs"] :]
        self.ended, self.asked = kept["ended"], kept["asked"]

    def check_callbacks(self):
        """A ValueError where a callback left something that the run cannot go on with."""
        settle(self.net)
        self.opt.adopt(self.net)  # with arrays for every parameter, as the next step would have them
        for name, array in self.net.state().items():
            if array.shape != self.start.get(f"net.{name}", array).shape or f"net.{name}" not in self.start:
                raise ValueError(f"a callback changed the layers of net: {name} is now of shape {array.shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"a callback left NaN or infinity in {name}")
        epochs = self.good["epochs"]
        for name, values in vars(self.history).items():
            if len(values) != epochs and (name == "loss" or values):
                raise ValueError(f"a callback left {len(values)} entries in history.{name}, not {epochs}")

    # ---- files -------------------------------------------------------------------------------------------

    def identity(self):
        """What a checkpoint belongs to: it is refused where any of this is different."""
        return {
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

    def settings(self):
        """{place: value} of the numbers, texts and arrays that steer the run and are no state: a layer's p, say."""
        skipped = {"training", "layers", "rng", "steps", "state"}
        parts = [("loss", self.loss, ()), ("opt", self.opt, ("lr",))]
        parts += [(f"net.{path}", layer, layer.parameter_names + layer.buffer_names) for path, layer in tree(self.net)]
        found = {}
        for place, part, known in parts:
            for name, value in sorted(vars(part).items()):
                if name in skipped or name in known or name.startswith("_"):
                    continue
                if isinstance(value, np.ndarray):
                    found[f"{place}.{name}"] = _digest(value)
                elif isinstance(value, PLAIN):
                    found[f"{place}.{name}"] = repr(value)
        return found

    def save(self, path, identity, changed=False):
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
        text["history"] = {name: values[: kept["epochs"]] for name, values in vars(self.history).items()}
        files.write_archive(path, text, kept["arrays"])

    def resume(self, path, identity, epochs):
        """Read a snapshot of this very run and put it back; ValueError where it is of another, or damaged."""
        text, arrays = files.read_archive(path, RUN_FORMAT, OLDER_FORMAT)
        theirs = text["identity"] if isinstance(text.get("identity"), dict) else {}
        for name, value in identity.items():
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

    def check_resumed(self, path, epochs):
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

    def take(self, text, arrays):
        """Put back what a file holds; an error, perhaps halfway, where it does not fit."""
        steps, epochs = whole_number(text["steps"], "steps", 0), whole_number(text["epochs"], "epochs", 0)
        mine = {f"net.{name}": array for name, array in self.net.state().items()}
        for name, array in self.net.parameters().items() if steps else ():
            mine |= {f"state.{i}.{name}": array for i in range(len(self.opt.slots))}
        if {n: (a.shape, a.dtype) for n, a in arrays.items()} != {n: (a.shape, a.dtype) for n, a in mine.items()}:
            raise ValueError("names, shapes or types differ")
        files.check_finite({n: a for n, a in arrays.items() if n.startswith("net.")})  # slots may be infinite
        history, validated = text["history"], self.validation is not None and epochs > 0
        if history.keys() != vars(self.history).keys() or len(history["loss"]) != epochs:
            raise ValueError("its history is not that of its epochs")
        for name, values in history.items():
            if len(values) not in (0, epochs) or (name == "val_loss" and bool(values) != validated):
                raise ValueError("its history is not that of its epochs, with or without validation")
            getattr(self.history, name)[:] = [float(value) for value in values]  # the validation loss may be infinite
        self.rates[:] = [float(rate) for rate in text.get("rates", [])]
        kept = {"arrays": arrays, "steps": steps, "rng": text["rng"], "epochs": epochs}
        older = {"lr": self.opt.config()["lr"], "ended": False, "asked": True}  # of the older format
        self.restore(kept | {name: text.get(name, value) for name, value in older.items()})


def check_checkpoint(path):
    """An OSError, before any work, where the file could not be written."""
    try:
        files.check_target(path)
    except OSError as error:
        raise OSError(error.errno, f"checkpoint: {error.strerror}", str(path)) from None


def _digest(*arrays):
    """A hash of the bytes of contiguous arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _difference(first, second, between=" to "):
    """Both in words; of dicts, only the entries in which they differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        names = [n for n in {**first, **second} if first.get(n) != second.get(n)]
        first, second = ({n: values.get(n) for n in names} for values in (first, second))
    return f"{shown(first)}{between}{shown(second)}"
