"""The pictures of the first scene as numbers: where the page has to draw what. It draws them and computes nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .neuron_path import MOST, SAMPLES, Path

HALF = 3.6  # the plane of the weights is drawn from -HALF to HALF: room for every start, however it is turned
LEVELS = tuple(0.01 * 4.0**k for k in range(7))  # of the loss, for the contours
FARTHEST = 1e3  # what lies beyond is left out: no picture reaches so far


def _axes(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(loss at distance 1 along the valley and across it, direction of the valley, steep direction)."""
    values, axes = np.linalg.eigh(path.x.T @ path.x / SAMPLES)
    return np.maximum(values, 1e-12), axes[:, 0], axes[:, 1]


def _points(path: Path) -> np.ndarray:
    """The path as far as it can be drawn."""
    points = path.finite_weights()
    near = (np.abs(points) < FARTHEST).all(axis=1)
    return points if near.all() else points[: int(np.argmin(near)) + 1].clip(-FARTHEST, FARTHEST)


def bowl(path: Path, other: Path | None) -> dict[str, Any]:
    """The plane of the weights: contours, valley, target, start, and the path with the signs of its updates.

    other: a run in other axes, drawn where it lies in these.
    """
    values, valley, _ = _axes(path)
    points = _points(path)
    return {
        "half": HALF,
        "angle": math.degrees(math.atan2(valley[1], valley[0])),
        "radii": [[math.sqrt(level / value) for value in values] for level in LEVELS],  # along the valley, across
        "target": path.target,
        "start": path.weights[0],
        "path": points,
        "directions": path.directions()[: len(points) - 1],
        "other": [] if other is None else _points(other) @ (path.gauge @ other.gauge.T).T,
    }


def strip(path: Path) -> dict[str, Any]:
    """How far from the valley the weights are, on which side, at each step."""
    _, _, steep = _axes(path)
    points = _points(path)
    away = (points - path.target) @ (steep * (1 if steep.sum() >= 0 else -1))
    return {
        "away": away,
        "most": max(float(np.abs(away[:1]).max()), 1e-9),
        "steps": min(MOST, max(20, 10 * math.ceil(path.steps / 10))),
        "directions": path.directions()[: len(points) - 1],
    }


def cloud(path: Path) -> dict[str, Any]:
    """The plane of the inputs: the samples, their mean, and those of the batch of the last step."""
    largest = float(np.abs(path.x).max())
    last = path.rows(path.steps - 1) if path.batch < SAMPLES and path.steps else np.arange(0)
    return {
        "half": max(1.0, math.ceil(2.2 * largest) / 2),
        "points": path.x,
        "mean": path.x.mean(axis=0),
        "batch": path.x[last],
    }
