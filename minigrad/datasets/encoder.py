"""From a table to numbers and back: its columns as the inputs and targets of a net, and outputs as answers.

An `Encoder` is data: names, means, categories, classes. `mg.save(net, path, encoder=encoder)` keeps it with the net.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._advice import described
from .._checks import as_batch
from ..files.archive import read_archive
from ..files.nets import FORMAT
from ..layers.containers import Sequential, output_shape
from .features import Boolean, Category, Classes, Number, Numbers, check_names, present
from .table import Table, read_table

KINDS: dict[str, type[Number | Boolean | Category]] = {"number": Number, "boolean": Boolean, "text": Category}


@dataclass(frozen=True)
class Encoder:
    """What turns a table into the inputs and targets of a net, and its outputs into answers.

    features: `Number`, `Boolean` and `Category`, in the order of the inputs. target: `Classes` or `Numbers`.
    fill: are missing values filled in (with the mean, or the most frequent), or refused?
    """

    features: tuple[Number | Boolean | Category, ...]
    target: Classes | Numbers
    fill: bool = False

    @property
    def width(self) -> int:
        """J, the number of inputs."""
        return sum(feature.width for feature in self.features)

    @property
    def outputs(self) -> int:
        """K, the number of outputs that a net needs: one for each class, or for each number."""
        return self.target.outputs

    def read(self, path: str | os.PathLike[str]) -> Table:
        """The table in a file, as `read_table` reads it; columns that were text when the encoder was made stay text."""
        names = [feature.name for feature in self.features if not isinstance(feature, Number)]
        return read_table(path, text=[*names, *self.target.columns])

    def unused(self, table: Table) -> list[str]:
        """The names of the columns of a table that are no inputs."""
        used = {feature.name for feature in self.features}
        return [name for name in table.columns if name not in used]

    def inputs(self, table: Table) -> np.ndarray:
        """x (N, J) of a table, whose columns are found by name, in any order.

        ValueError where a column is not there; and naming the row and the column where a value is no number, is
        missing and not filled in, or is text that was not seen when the encoder was made.
        """
        check_names(table, [feature.name for feature in self.features])
        x = np.empty((len(table), self.width))
        start = 0
        for feature in self.features:
            part, missing = feature.encode(table)
            if not self.fill:
                present(table, feature.name, missing, "")
            x[:, start : start + feature.width] = part
            start += feature.width
        return x

    def targets(self, table: Table) -> np.ndarray:
        """y of a table: class numbers (N,), or standardised numbers (N, K). ValueError as from `inputs`."""
        check_names(table, self.target.columns)
        return self.target.encode(table)

    def answers(self, output: Any) -> list[str] | np.ndarray:
        """What an output (N, K) says: the names of the classes (N,), or numbers (N, K) in the units of the target."""
        output = as_batch(output, "output", width=self.outputs)
        if isinstance(self.target, Classes):
            return [self.target.names[k] for k in output.argmax(axis=1)]
        return output * self.target.spread + self.target.mean

    def check(self, net: Sequential) -> None:
        """A ValueError where a net has another number of inputs or outputs."""
        J, K = self.width, self.outputs
        if net.in_features not in (None, J) or output_shape(net, np.zeros((1, J)))[-1] != K:
            raise ValueError(f"net does not fit the encoder, which has {J} inputs and {K} outputs")

    def config(self) -> dict[str, Any]:
        """The encoder as JSON keeps it; `load_encoder` makes it again."""
        names = {kind: name for name, kind in KINDS.items()}
        features = [{"kind": names[type(feature)]} | feature._asdict() for feature in self.features]
        return {"features": features, "target": self.target._asdict(), "fill": self.fill}


# ---- files -----------------------------------------------------------------------------------------------


def load_encoder(path: str | os.PathLike[str]) -> Encoder:
    """The encoder that `mg.save(net, path, encoder=...)` or `minigrad train --save` has kept with a net.

    ValueError where the file is no net's, or holds no encoder; FileNotFoundError where there is none.
    """
    text, _ = read_archive(Path(path), FORMAT)
    if "encoder" not in text:
        raise ValueError(f"{path} holds a net without the columns of a table; it was trained on other data")
    try:
        return _encoder(text["encoder"])
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path} is not a minigrad net: its encoder is damaged: {error}") from None


def _encoder(config: dict[str, Any]) -> Encoder:
    """The encoder that config() described; an error where something in it is not what it must be."""
    features = [_feature(**feature) for feature in config["features"]]
    names = [feature.name for feature in features]
    target = config["target"]
    if "names" in target:
        made: Classes | Numbers = Classes(_text(target["name"]), _texts(target["names"], 2))
    else:
        columns = _texts(target["columns"], 1)
        mean, spread = [_finite(m) for m in target["mean"]], [_positive(s) for s in target["spread"]]
        if not len(columns) == len(mean) == len(spread):
            raise ValueError("its target has not a mean and a spread for each column")
        made = Numbers(columns, tuple(mean), tuple(spread))
    _texts([*names, *made.columns], 2)
    return Encoder(tuple(features), made, _flag(config["fill"]))


def _feature(kind: str, name: Any, **rest: Any) -> Number | Boolean | Category:
    name = _text(name)
    if kind == "number":
        return Number(name, _finite(rest["mean"]), _positive(rest["spread"]))
    if kind == "boolean":
        return Boolean(name, _flag(rest["usual"]))
    values, usual = _texts(rest["values"], 1), _text(rest["usual"])
    if kind != "text" or usual not in values:
        raise ValueError(f"the column {name!r:.100} is of no known kind")
    return Category(name, values, usual)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{described(value)} stands for a name")
    return value


def _texts(values: Any, least: int) -> tuple[str, ...]:
    if not isinstance(values, list) or len(values) < least or len(set(map(_text, values))) < len(values):
        raise ValueError("its names are no list of different ones")
    return tuple(values)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{described(value)} stands for true or false")
    return value


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{described(value)} stands for a number")
    return float(value)


def _positive(value: Any) -> float:
    if _finite(value) <= 0:
        raise ValueError(f"{value} stands for a spread")
    return float(value)
