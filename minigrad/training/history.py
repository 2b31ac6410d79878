"""What a training run looked like, epoch by epoch, and when to stop it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .. import _notebook as notebook
from .._checks import one_of, whole_number

MONITORS = ("loss", "val_loss", "accuracy", "val_accuracy")


@dataclass
class History:
    """What fit saw, one entry per epoch.

    loss, accuracy          means of the batch losses and accuracies seen during the epoch, while the weights moved
    val_loss, val_accuracy  on the validation data, after the epoch
    error                   of fit_many: the DivergenceError that ended the net's training; None where none did
    The accuracies stay empty for losses that are not of classes.
    """

    loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    error: ArithmeticError | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.loss)

    def entries(self) -> dict[str, list[float]]:
        """{name: list}: the four lists above, and nothing that was put here besides."""
        return {name: getattr(self, name) for name in MONITORS}

    def _repr_html_(self) -> str:
        """What a notebook shows: the first, last and best of each list, and the losses as curves."""
        return notebook.run(self.entries())

    def plot(self, ax: Any = None) -> Any:
        """Loss against epoch, on a matplotlib Axes (a new one if None); returns the Axes. Needs matplotlib."""
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots(layout="constrained")[1]
        for name, values, style in (("training", self.loss, "-"), ("validation", self.val_loss, "--")):
            if values:
                ax.plot(range(1, len(values) + 1), values, style, color="#444444", label=name)
                end = (len(values), values[-1])
                ax.annotate(name, end, xytext=(4, 0), textcoords="offset points", va="center")
        ax.set(xlabel="epoch", ylabel="loss")
        return ax


def early_stopping(patience: int, monitor: str = "val_loss") -> Callable[[int, Any, History], bool]:
    """A callback for fit that ends the run after `patience` epochs (1 or more) without a new best.

        mg.fit(net, loss, opt, x, y, epochs=500, validation=(x_val, y_val), callbacks=[mg.early_stopping(10)])

    monitor is an entry of History: "val_loss" or "loss", of which less is better, "val_accuracy" or "accuracy", of
    which more is. Best is what no earlier epoch reached; NaN never is. The callback reads the History and nothing else,
    so a resumed run ends at the same epoch. The net keeps the weights of the last epoch, not those of the best one.
    """
    patience = whole_number(patience, "patience", 1)
    return functools.partial(_out_of_patience, patience=patience, monitor=one_of(monitor, "monitor", MONITORS))


def _out_of_patience(epoch: int, net: Any, history: History, *, patience: int, monitor: str) -> bool:
    values = getattr(history, monitor)
    best, at = None, 0
    for i, value in enumerate(values):
        value = value if monitor.endswith("accuracy") else -value
        if value == value and (best is None or value > best):
            best, at = value, i
    return len(values) - 1 - at >= patience


def monitor_of(callback: Any) -> str | None:
    """The entry of History that an early_stopping reads; None for any other callback."""
    if isinstance(callback, functools.partial) and callback.func is _out_of_patience:
        return str(callback.keywords["monitor"])
    return None
