"""Loads a table of one's own for training: splits its rows, and makes the `Encoder` from the training part alone."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from .._advice import shown
from .._checks import Rng, generator, one_of, real_number
from .columns import check_words, classes_meant, classes_of, features_of, numbers_of_target
from .encoder import Encoder
from .features import check_names, text_of
from .table import Table, Text, names_given, read_table

Loaded = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Encoder]


def load_table(
    path: str | os.PathLike[str],
    target: str | Sequence[str],
    *,
    test: float = 0.2,
    classes: bool | None = None,
    missing: str = "refuse",
    ignore: Sequence[str] = (),
    rng: Rng = None,
) -> Loaded:
    """A table of your own (CSV; see `read_table`), as numbers to train on: x_train, y_train, x_test, y_test, encoder.

    target: the column to be learned, or several columns of numbers. All others are inputs, but for those in `ignore`
    and those that are the same in all training rows. A column of numbers is one input, with mean 0 and standard
    deviation 1; true and false are 1 and 0; text is an input for each value, 1 in its rows and else 0 (one-hot).
    classes: are the values of the target classes, or numbers? None: text and true/false are classes, and so are up to
    20 different whole numbers that occur twice or more on average. y is class numbers (N,), int64, in the order
    of encoder.target.names; or numbers (N, K), each column with mean 0 and standard deviation 1.
    test: the share of rows to test on, drawn with rng, and of each class alike; 0 for none. Means, spreads, categories
    and classes are those of the training rows; a row with a category of its own is one of them.
    missing: "refuse", or "mean", which puts in the mean, and for text the most frequent value; never in the target.

    A UserWarning says what should be looked at: columns that are left out, text that looks like numbers or dates.
    Raises ValueError that names the column, and the row where one is to blame: no such column, a value is missing,
    nothing but missing values, text that is different in most rows, numbers with a decimal comma, a target that is the
    same everywhere, no rows.
    """
    names, ignore = names_given(target, "target"), names_given(ignore, "ignore")
    if not names:
        raise ValueError("target: it is empty")
    for name in names:
        if name in ignore or names.count(name) > 1:
            raise ValueError(f"target: {shown(name)} is named twice, or in ignore too")
    if not (classes is None or isinstance(classes, bool)):
        raise TypeError(f"classes must be True, False or None, not {shown(classes)}")
    test = real_number(test, "test", 0, 1, open_high=True)
    one_of(missing, "missing", ("refuse", "mean"))
    random = generator(rng)
    table = read_table(path, text=names)
    check_names(table, [*names, *ignore])
    if len(table) == 0:
        raise ValueError(f"{path} has the names of its columns but no rows")
    no_inputs = {*names, *ignore}
    found = classes_of(table, names[0]) if classes_meant(table, names, classes) else None
    check_words(table, no_inputs)
    chosen = _test_rows(table, test, random, None if found is None else found.name, no_inputs)
    train = table.take(~chosen)
    learned = numbers_of_target(train, names) if found is None else found
    encoder = Encoder(features_of(train, no_inputs), learned, fill=missing == "mean")
    x, y = encoder.inputs(table), encoder.targets(table)
    return x[~chosen], y[~chosen], x[chosen], y[chosen], encoder


# ---- the rows --------------------------------------------------------------------------------------------


def _test_rows(
    table: Table, share: float, random: np.random.Generator, classes: str | None, no_inputs: set[str]
) -> np.ndarray:
    """Which rows are to be tested on (N,), bool: of each class the same share, to a row."""
    N, chosen = len(table), np.zeros(len(table), bool)
    if share == 0:
        return chosen
    M = min(max(1, round(share * N)), N - 1)
    order = random.permutation(N)
    if classes is not None:
        order = order[np.argsort(text_of(table, classes).codes[order], kind="stable")]
    chosen[order[((np.arange(M) + random.random()) * N / max(M, 1)).astype(int)]] = True
    for name, column in table.columns.items():  # what training has not seen cannot be tested
        if isinstance(column, Text) and (name == classes or name not in no_inputs):
            chosen &= np.isin(column.codes, column.codes[~chosen])
    if not chosen.any():
        raise ValueError(f"{table.path}: test={share:g} leaves none of the {N} rows to test on; give test=0 (--test 0)")
    return chosen
