"""Scaling of the features before a net sees them: a shift and a factor for each."""

import numpy as np

SCALES = ("none", "unit", "standard")


def scaling(x: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """shift m and spread s, each (J,), with which (x - m) / s is the scaled data x (N, J).

    "none": x as it is. "unit": one shift and one factor for all features, so that x reaches from 0 to 1 and
    stays non-negative. "standard": each feature gets mean 0 and standard deviation 1; a constant one
    becomes 0. Any other scale is a ValueError.
    """
    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}, expected one of: {', '.join(SCALES)}")
    shift, spread = np.zeros(x.shape[1]), np.ones(x.shape[1])
    if scale == "unit":
        shift[:], spread[:] = x.min(), x.max() - x.min() or 1.0
    elif scale == "standard":
        shift, spread = x.mean(axis=0), x.std(axis=0)
        spread[spread == 0] = 1.0
    return shift, spread
