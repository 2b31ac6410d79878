"""The compiled core's functions, as kernels/twin.py has them, and the fused epoch."""

from typing import Any

from numpy import ndarray
from numpy.random import BitGenerator

ACTIVATIONS: dict[str, int]
LOSSES: dict[str, int]
OPTIMIZERS: dict[str, int]
LANES: int

def affine(a: ndarray, weight: ndarray, bias: ndarray | None) -> ndarray: ...
def propagate(delta: ndarray, weight: ndarray) -> ndarray: ...
def weight_gradient(delta: ndarray, a: ndarray) -> ndarray: ...
def bias_gradient(delta: ndarray) -> ndarray: ...
def activation(kind: str, z: ndarray, alpha: float = 0.0) -> ndarray: ...
def activation_backward(kind: str, delta: ndarray, saved: ndarray, alpha: float = 0.0) -> ndarray: ...
def exponential(x: ndarray) -> ndarray: ...
def normal_tail(x: ndarray) -> ndarray: ...
def mse(output: ndarray, y: ndarray) -> tuple[float, ndarray]: ...
def huber(output: ndarray, y: ndarray, alpha: float) -> tuple[float, ndarray]: ...
def bce(output: ndarray, y: ndarray) -> tuple[float, ndarray]: ...
def bce_with_logits(output: ndarray, y: ndarray) -> tuple[float, ndarray]: ...
def cross_entropy(output: ndarray, y: ndarray) -> tuple[float, ndarray]: ...
def soft_cross_entropy(output: ndarray, y: ndarray) -> tuple[float, ndarray]: ...
def sgd(
    weight: ndarray,
    gradient: ndarray,
    velocity: ndarray | None,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> None: ...
def rmsprop(
    weight: ndarray, gradient: ndarray, square: ndarray, lr: float, alpha: float, eps: float, weight_decay: float
) -> None: ...
def adam(
    weight: ndarray,
    gradient: ndarray,
    mean: ndarray,
    square: ndarray,
    t: float,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None: ...

class Program:
    def __init__(
        self,
        ops: list[tuple[Any, ...]],
        loss: str,
        alpha: float,
        threshold: float,
        optimizer: str,
        x: ndarray,
        batch_size: int,
    ) -> None: ...
    def run(
        self, x: ndarray, y: ndarray, orders: ndarray, rates: tuple[float, ...], steps: int
    ) -> tuple[ndarray, ndarray, int, bool]: ...

def draw_orders(orders: ndarray, bit_generator: BitGenerator) -> None: ...
def term_by_term(R: int, J: int, K: int, single: bool) -> bool: ...

class Lanes:
    def __init__(
        self,
        ops: tuple[tuple[Any, ...], ...],
        loss: str,
        alpha: float,
        threshold: float,
        optimizer: str,
        x: ndarray,
        y: ndarray,
        batch_size: int,
        validation: tuple[ndarray, ndarray] | None,
    ) -> None: ...
    def run(
        self, weights: ndarray, slots: ndarray, orders: ndarray | None, epochs: int, rates: ndarray, steps: ndarray
    ) -> tuple[ndarray, ndarray, ndarray]: ...
