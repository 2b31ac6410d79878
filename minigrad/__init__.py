"""minigrad: a minimal neural-network framework that keeps every weight gradient as delta and a."""

from . import datasets, diagnostics
from .accuracy import accuracy
from .backprop import Backprop, backprop
from .diagnosis import Diagnosis, diagnose
from .files.nets import load, save
from .gradcheck import gradcheck
from .gradient import WeightGradient
from .kernels.backend import show_config
from .layers import (
    ELU,
    GELU,
    SELU,
    BatchNorm,
    CenteredSigmoid,
    Dropout,
    Identity,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    Mish,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
    initializers,
    mlp,
    sigmoid,
)
from .losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, Loss, MSELoss, softmax
from .training.divergence import DivergenceError
from .training.fit import fit
from .training.history import History, early_stopping
from .training.many import fit_many, show_lanes
from .training.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from .training.sweep import sweep

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
    "Diagnosis",
    "DivergenceError",
    "Dropout",
    "History",
    "HuberLoss",
    "Identity",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Loss",
    "MSELoss",
    "Mish",
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
    "diagnose",
    "diagnostics",
    "early_stopping",
    "fit",
    "fit_many",
    "gradcheck",
    "initializers",
    "load",
    "mlp",
    "save",
    "show_config",
    "show_lanes",
    "sigmoid",
    "softmax",
    "sweep",
]
