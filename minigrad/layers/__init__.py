"""Layers: what turns the output of one layer into that of the next, and delta into the delta below."""

from . import initializers
from .activations import (
    ELU,
    GELU,
    SELU,
    Activation,
    CenteredSigmoid,
    Identity,
    LeakyReLU,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
    sigmoid,
)
from .base import LAYERS, Layer
from .containers import Residual, Sequential, mlp
from .dropout import Dropout
from .linear import Linear
from .norm import BatchNorm, LayerNorm

__all__ = [
    "ELU",
    "GELU",
    "LAYERS",
    "SELU",
    "Activation",
    "BatchNorm",
    "CenteredSigmoid",
    "Dropout",
    "Identity",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Mish",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "initializers",
    "mlp",
    "sigmoid",
]
