"""Tables on the command line: their options, and what is said of their columns."""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import minigrad as mg

from .. import datasets
from .._advice import shown
from ..datasets import Encoder, Table
from ..datasets.features import Boolean, Category, Classes, Number, listed
from ..datasets.load_table import Loaded
from ..datasets.table import column_names
from ..losses import Loss
from ..training.progress import say
from .options import share

OPTIONS = ("target", "test", "classes", "missing", "ignore")


def add_table(parser: argparse.ArgumentParser) -> None:
    """The options that say how a table is read."""
    group = parser.add_argument_group("of a table")
    text = "the column to be learned; several columns of numbers as a,b"
    group.add_argument("--target", metavar="COLUMN", help=text)
    text = "share of the rows to test on, drawn at random (default: 0.2)"
    group.add_argument("--test", type=share, metavar="X", help=text)
    kinds = group.add_mutually_exclusive_group()
    text = "the values of the target are classes (default: text is, and so are a few different whole numbers)"
    kinds.add_argument("--classes", action="store_true", default=None, help=text)
    text = "the values of the target are numbers to be met as nearly as possible"
    kinds.add_argument("--regression", action="store_false", dest="classes", help=text)
    text = "what to do where a value is missing: refuse the table, or put in the mean (of text the most frequent value)"
    group.add_argument("--missing", choices=["refuse", "mean"], help=f"{text} (default: refuse)")
    group.add_argument(
        "--ignore", metavar="COLUMNS", help="columns that are no inputs: a number of the row, as id,name"
    )


def is_table(data: str) -> bool:
    """Does --data name a table? The names of data sets come first."""
    return data not in datasets.NAMES and os.path.isfile(data)


def refuse_table_options(args: Any, reason: str) -> None:
    """Wrong usage where an option of a table was given."""
    given = [name for name in OPTIONS if getattr(args, name) is not None]
    if given:
        name = "regression" if args.classes is False and given[0] == "classes" else given[0]
        args.usage_error(f"--{name} is an option of a table, {reason}")


def refuse_scale(args: Any) -> None:
    """Wrong usage where --scale was given: there is one way to scale a table."""
    if args.scale is not None:
        args.usage_error("--scale goes with data sets: the numbers of a table are always moved to mean 0 and spread 1")


def load_table(args: Any) -> Loaded:
    """The table of --data, as the options say."""
    refuse_scale(args)
    names = column_names(args.data)
    if args.target is None:
        args.usage_error(f"{args.data} is a table: say with --target which column is to be learned: {', '.join(names)}")
    target, ignore = columns_of(args.target, names), columns_of(args.ignore, names)
    test, missing = 0.2 if args.test is None else args.test, args.missing or "refuse"
    settings = {"test": test, "classes": args.classes, "missing": missing, "ignore": ignore, "rng": args.seed}
    with said_on_stderr():
        return datasets.load_table(args.data, target, **settings)


def columns_of(text: str | None, names: Sequence[str]) -> list[str]:
    """a,b -> ["a", "b"]; a name that itself holds a comma is taken whole, or stands in double quotes."""
    if text is None:
        return []
    if text.strip() in names:
        return [text.strip()]
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]


@contextlib.contextmanager
def said_on_stderr() -> Iterator[None]:
    """A context in which warnings become lines on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        say(f"minigrad: warning: {warning.message}")


def loss_of(encoder: Encoder) -> Loss:
    """The loss for the target of a table."""
    return mg.CrossEntropyLoss() if isinstance(encoder.target, Classes) else mg.MSELoss()


def described(encoder: Encoder) -> str:
    """What became of the columns, in two lines or more."""
    numbers = [f.name for f in encoder.features if isinstance(f, Number)]
    booleans = [f.name for f in encoder.features if isinstance(f, Boolean)]
    lines = [f"inputs: numbers, standardised: {listed(numbers)}"] if numbers else []
    lines += [f"inputs: true or false, as 1 and 0: {listed(booleans)}"] if booleans else []
    for feature in encoder.features:
        if isinstance(feature, Category):
            lines.append(f"inputs: text, one-hot: {shown(feature.name)}, an input for each of {listed(feature.values)}")
    target = encoder.target
    if isinstance(target, Classes):
        return "\n".join([*lines, f"target: {shown(target.name)}, {len(target.names)} classes: {listed(target.names)}"])
    return "\n".join([*lines, f"target: {listed(target.columns)}, standardised numbers"])


def known_net(path: str) -> tuple[mg.Sequential, Encoder]:
    """A net that was saved with the columns of its table; a ValueError where the two do not fit."""
    net, encoder = mg.load(path).eval(), datasets.load_encoder(path)
    try:
        encoder.check(net)
    except ValueError as error:
        raise ValueError(f"{path} is not a minigrad net: {error}") from None
    return net, encoder


def read_for(encoder: Encoder, path: str, expected: Sequence[str] = ()) -> Table:
    """The table in a file, for a net; columns that are not used, and not expected there either, are said on stderr."""
    table = encoder.read(path)
    unused = [name for name in encoder.unused(table) if name not in expected]
    if unused:
        say(f"minigrad: {path}: columns that the net does not use: {listed(unused)}")
    return table
