"""What the page draws of a run: pictures as bytes in base64, so that thirty of them a second are little to send.

A number in a picture of signs is a byte, -127 to 127: its sign, and the root of its size beside the largest one, as
`_pictures.strength` colours it. 0 is 0, and -128 is NaN. The exact number is asked for by pointing at it.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from .._checks import quiet
from ..layers.activations import sigmoid
from ..losses import softmax
from .train_data import Data
from .train_numbers import product
from .train_run import Run
from .train_seeds import Seeds
from .train_settings import SHOWN

GRID = 56  # points of the decision field a side
LEVELS = 25  # of how sure an answer is, in a byte of the field: class * LEVELS + level
IMAGES = 24


def packed(array: np.ndarray) -> str:
    """Bytes as base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


@quiet
def picture(values: np.ndarray) -> dict[str, Any]:
    """Signed numbers (rows, columns) as bytes, and the largest size among the finite ones."""
    sizes = np.abs(values)
    largest = float(np.where(np.isfinite(sizes), sizes, 0).max(initial=0.0))
    shares = np.sqrt(np.minimum(sizes / (largest or 1.0), 1))
    codes = np.where(np.isnan(values), -128, np.sign(values) * np.maximum(np.ceil(127 * shares), 1))
    rows, columns = values.shape
    return {"rows": rows, "columns": columns, "codes": packed(codes.astype(np.int8)), "largest": largest}


def cards(run: Run, sample: int) -> list[dict[str, Any]]:
    """One a layer, in forward order: a (N, J), delta (N, K) and their product (K, J), of the next step's batch.

    sample: 0 for the product of the batch, else which sample's, from 1. Of a large batch the first samples are drawn.
    """
    found, below = [], ""
    for path, g in run.bp.gradients.items():
        K, J = g.weight.shape
        behind = run.net[int(path) + 1] if int(path) + 1 < len(run.net) else None
        found.append(
            {
                "path": path,
                "inputs": J,
                "outputs": K,
                "input": f"a.{below}" if below else "x",
                "activation": getattr(behind, "kind", "identity"),
                "samples": len(g.a),
                "positive": bool((g.a >= 0).all()),
                "a": picture(g.a[:SHOWN]),
                "delta": picture(g.delta[:SHOWN]),
                "g": picture(product(g, sample)),
            }
        )
        below = path
    return found


def curve(run: Run) -> dict[str, Any]:
    """The points of a run, and the one of now."""
    points = run.points if run.points[-1].steps == run.steps else [*run.points, run.point]
    return {
        "steps": [point.steps for point in points],
        "loss": np.array([point.loss for point in points]),
        "test": np.array([point.test_loss for point in points] if run.data.x_test is not None else []),
    }


def fan(seeds: Seeds, an_epoch: int) -> dict[str, Any]:
    """The losses of the seeds, a list a seed, at the steps where they are known."""
    steps = [epoch * an_epoch for epoch in seeds.epochs]  # another thread adds to them
    losses = np.array(seeds.losses[: len(steps)]).T
    return {"steps": steps, "losses": losses, "sentence": seeds.sentence()}


# ---- answers ---------------------------------------------------------------------------------------------


@quiet
def answers(run: Run, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(class (N,), how sure (N,)): the largest output, and how far it is above the next one, from 0 to 1."""
    output = run.net(x)
    kind = run.loss.kind
    shares = softmax(output) if kind == "cross_entropy" else sigmoid(output) if kind == "bce_with_logits" else output
    ordered = np.sort(shares, axis=1)
    return output.argmax(axis=1), np.clip(np.nan_to_num(ordered[:, -1] - ordered[:, -2]), 0, 1)


def points(data: Data) -> dict[str, Any]:
    """The samples of two features, x and y from 0 to 255 in the square of the field, and the square's limits."""
    low, side = _square(data)
    sets = {"train": (data.x, data.y)} | ({} if data.x_test is None else {"test": (data.x_test, data.y_test)})
    return {
        name: {
            "x": packed(_byte((x[:, 0] - low[0]) / side)),
            "y": packed(_byte((x[:, 1] - low[1]) / side)),
            "classes": packed(np.asarray(y, np.uint8)),
        }
        for name, (x, y) in sets.items()
    } | {"low": low, "side": side, "features": list(data.features)}


def field(run: Run) -> str:
    """The answers over the square of the samples, GRID x GRID from its upper left corner, a byte each."""
    low, side = _square(run.data)
    places = (np.arange(GRID) + 0.5) / GRID * side
    across, down = np.meshgrid(low[0] + places, low[1] + places[::-1])
    classes, sure = answers(run, np.column_stack([across.ravel(), down.ravel()]))
    return packed((classes * LEVELS + np.round(sure * (LEVELS - 1))).astype(np.uint8))


def _square(data: Data) -> tuple[np.ndarray, float]:
    """(lower left corner (2,), side) of a square that holds all samples, with a margin."""
    x = data.x if data.x_test is None else np.vstack([data.x, data.x_test])
    low, high = x.min(axis=0), x.max(axis=0)
    side = 1.16 * (float((high - low).max()) or 1.0)
    return (low + high - side) / 2, side


def _byte(shares: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(shares, 0, 1)).astype(np.uint8)


def images(run: Run) -> dict[str, Any]:
    """The first held-out digits, 8 x 8 bytes of ink each, with the answers to them."""
    data = run.data
    x, y = (data.x_test, data.y_test) if data.x_test is not None and data.y_test is not None else (data.x, data.y)
    x, y = x[:IMAGES], y[:IMAGES]
    ink = x * data.spread + data.shift
    found, sure = answers(run, x)
    return {"ink": packed(_byte(ink / ink.max())), "classes": y, "answers": found, "sure": sure}


def confusion(run: Run) -> dict[str, Any]:
    """How many samples of each class (row) got which answer (column): of the held-out ones, where there are any."""
    data = run.data
    x, y = (data.x_test, data.y_test) if data.x_test is not None and data.y_test is not None else (data.x, data.y)
    K = len(data.classes)
    counts = np.bincount(y * K + answers(run, x)[0], minlength=K * K).reshape(K, K)
    return {"counts": counts, "classes": list(data.classes), "held-out": data.x_test is not None}
