"""minigrad: a minimal neural-network framework that keeps every weight gradient as delta and a."""

from . import datasets, diagnostics, initializers
from ._backend import show_config
from .activations import (
    ELU,
    GELU,
    SELU,
    CenteredSigmoid,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
    sigmoid,
)
from .backprop import Backprop, backprop
from .checkpoint import load, save
from .divergence import DivergenceError
from .gradcheck import gradcheck
from .history import History, early_stopping
from .layers import BatchNorm, Dropout, Layer, Linear, WeightGradient
from .losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss, accuracy, softmax
from .networks import Residual, Sequential, mlp
from .optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from .study.sweep import sweep
from .training import fit

__version__ = "0.1.0"

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "SGD",
    "Adam",
    "AdamW",
    "BCELoss",
    "BCEWithLogitsLoss",
    "Backprop",
    "BatchNorm",
    "CenteredSigmoid",
    "CrossEntropyLoss",
    "DivergenceError",
    "Dropout",
    "History",
    "Identity",
    "Layer",
    "LeakyReLU",
    "Linear",
    "Loss",
    "MSELoss",
    "Optimizer",
    "RMSprop",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "WeightGradient",
    "__version__",
    "accuracy",
    "backprop",
    "datasets",
    "diagnostics",
    "early_stopping",
    "fit",
    "gradcheck",
    "initializers",
    "load",
    "mlp",
    "save",
    "show_config",
    "sigmoid",
    "softmax",
    "sweep",
]
