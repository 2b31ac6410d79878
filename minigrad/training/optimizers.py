"""What is done with a gradient: SGD, RMSprop, Adam and AdamW, with PyTorch's update rules.

Every rule works on each weight alone, and all but the weight decay on the gradient alone. State (velocities, running
means) is kept by parameter name, in .state, so an optimiser belongs to one net: the first one that it takes a step on.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .._advice import shown
from .._checks import as_float, instance, kinds_of, real_number, usable
from ..backprop import Backprop
from ..kernels.backend import core
from ..layers.base import Layer
from ..layers.parameters import usable_parameters

Rate = float | Callable[[int], float]
Slots = tuple[np.ndarray, ...]


class Optimizer:
    """What all optimisers share. slots names the arrays kept for each parameter.

    lr: the learning rate, a number above 0; or a function of the epoch (1, 2, ...), which fit calls at the start of
    each epoch and nobody calls elsewhere:

        mg.SGD(lr=lambda epoch: 0.5 * 0.9 ** (epoch - 1))

    opt.lr is the number of now, None before a function was first called. Setting it, in a callback for example, changes
    it for the steps that follow: until the next epoch where lr is a function.
    """

    kind = ""  # the name of the kernel, in both cores

    def __init__(self, lr: Rate, weight_decay: float) -> None:
        self._first_lr = lr if callable(lr) else _rate(lr, "lr")  # what the constructor got
        self._lr = None if callable(lr) else _rate(lr, "lr")
        self._net: weakref.ref[Layer] | None = None  # a weak reference to the net that the steps were taken on
        self.weight_decay = real_number(weight_decay, "weight_decay", 0)
        self.steps = 0
        self.state: dict[str, Slots] = {}  # parameter name -> tuple of arrays, one per slot

    @property
    def lr(self) -> float | None:
        """The current learning rate, a number; None where it is a function that was not called yet."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr, self._lr_expired = _rate(value, "lr"), False

    _lr_expired = False  # is lr a function's number of an epoch that is over?

    @property
    def scheduled(self) -> bool:
        """Is lr a function of the epoch?"""
        return callable(self._first_lr)

    def scheduled_lr(self, epoch: int) -> float:
        """What the function lr gives for an epoch; a ValueError or TypeError where that is no learning rate."""
        try:
            value = self._first_lr(epoch)  # type: ignore[operator]
        except TypeError as error:
            error.add_note("lr is called with the number of the epoch: lr=lambda epoch: ...")
            raise
        return _rate(value, f"lr({epoch})")

    def begin_epoch(self, epoch: int) -> None:
        """Take the learning rate of an epoch, 1, 2, ..., where lr is a function."""
        if self.scheduled:
            self.lr = self.scheduled_lr(epoch)

    def end_fit(self) -> None:
        """From here on nobody calls the function lr."""
        self._lr_expired = self.scheduled

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the arrays kept for each parameter."""
        return ()

    @property
    def rates(self) -> tuple[Any, ...]:
        """The numbers that its kernel takes, in their order."""
        return ()

    def step(self, net: Layer, bp: Backprop | dict[str, Any]) -> None:
        """Change the weights of net, in place, by the gradients of a Backprop (or by such a dict).

        ValueError, TypeError or KeyError, before anything changes, where the gradients, the weights or this optimiser
        do not fit, or where lr is a function of the epoch, which only fit calls: set opt.lr to a number first.
        """
        if not isinstance(bp, dict) and not hasattr(bp, "parameter_gradients"):
            raise TypeError(f"gradients must be a Backprop or a dict, not {shown(bp)}")
        if self._lr is None or self._lr_expired:
            raise ValueError(
                "lr is a function of the epoch, which only fit calls; in a loop of your own set the number yourself: "
                "opt.lr = 0.1"
            )
        parameters = usable_parameters(instance(net, Layer, "net"))
        gradients = dict(bp if isinstance(bp, dict) else bp.parameter_gradients())
        for name, gradient in gradients.items():
            if name not in parameters:
                raise KeyError(f"the net has no parameter {name!r}; it has {list(parameters)}")
            gradients[name] = gradient = as_float(gradient, f"gradient {name!r}", parameters[name].dtype)
            if gradient.shape != parameters[name].shape:
                raise ValueError(f"gradient {name!r} has shape {gradient.shape}, expected {parameters[name].shape}")
        self.adopt(net, gradients)
        self.steps += 1
        for name, gradient in gradients.items():
            self.update(parameters[name], gradient, self.state.get(name, ()))

    def check_net(self, net: Layer) -> None:
        """A ValueError where the steps so far were taken on another net."""
        instance(net, Layer, "net")
        if self.steps and self._net is not None and self._net() is not net:
            kept = "and keeps state for" if self.slots else "on"
            fix = f"make a new {type(self).__name__} for this net"
            raise ValueError(f"opt has taken {self.steps} steps {kept} another net; {fix}")

    def adopt(self, net: Layer, names: Iterable[str] | None = None) -> None:
        """From here on this optimiser is net's, and keeps arrays for the parameters of these names (None: for all)."""
        self.check_net(net)
        kept = {}
        if self.slots:
            parameters = net.parameters()
            kept = {name: self.slots_of(name, parameters[name]) for name in (parameters if names is None else names)}
        self._net = weakref.ref(net)
        self.state |= kept

    def put_back(self, steps: int, lr: float | None, state: dict[str, Slots]) -> None:
        """Be as after so many steps."""
        self.steps, self._lr, self.state = steps, lr, state

    def slots_of(self, name: str, weight: np.ndarray) -> Slots:
        """The arrays kept for a parameter, fit to be written to; zero at first. A ValueError where they do not fit."""
        kept = self.state.get(name)
        if kept is None:
            return tuple(np.zeros(weight.shape, weight.dtype) for _ in self.slots)
        if len(kept) != len(self.slots):
            raise ValueError(f"opt.state[{name!r}] holds {len(kept)} arrays, expected {len(self.slots)}: {self.slots}")
        fit = []
        for slot, array in zip(self.slots, kept, strict=True):
            if np.shape(array) != weight.shape:
                raise ValueError(
                    f"this optimizer has state for another net: its {slot} of {name!r} has shape {np.shape(array)}, "
                    f"expected {weight.shape}"
                )
            fit.append(usable(array, f"the {slot} of {name!r} in opt.state", weight.dtype))
        return tuple(fit)

    def update(self, weight: np.ndarray, gradient: np.ndarray, slots: Slots) -> None:
        """One step on one parameter, in place."""
        raise NotImplementedError(f"{type(self).__name__}.update")

    def config(self) -> dict[str, Any]:
        """The constructor's arguments: lr as it was given, not as it is now."""
        known = inspect.signature(type(self)).parameters
        open_ended = any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in known.values())
        return {"lr": self._first_lr} | {
            name: value
            for name, value in vars(self).items()
            if name in known or (open_ended and name not in ("steps", "state") and not name.startswith("_"))
        }

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_net": None}  # a copy may be another net's: of the copy of this net, for one

    def __repr__(self) -> str:
        config = self.config() | ({"lr": _Word("<function of the epoch>")} if self.scheduled else {})
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in config.items())})"


class _Word(str):
    """Shown without quotation marks."""

    __slots__ = ()
    __repr__ = str.__str__


def _rate(value: Any, name: str) -> float:
    return real_number(value, name, 0, open_low=True)


class SGD(Optimizer):
    """v = momentum v + g; w -= lr v, with Nesterov w -= lr (g + momentum v); g includes weight_decay w."""

    kind = "sgd"

    def __init__(self, lr: Rate, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.momentum = real_number(momentum, "momentum", 0, 1, open_high=True)
        self.nesterov = bool(nesterov)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def update(self, weight: np.ndarray, gradient: np.ndarray, slots: Slots) -> None:
        velocity = slots[0] if slots else None
        core.sgd(weight, gradient, velocity, *self.rates)

    @property
    def rates(self) -> tuple[Any, ...]:
        return self.lr, self.momentum, self.nesterov, self.weight_decay


class RMSprop(Optimizer):
    """s = alpha s + (1 - alpha) g^2; w -= lr g / (sqrt(s) + eps). Tieleman and Hinton 2012."""

    kind = "rmsprop"

    def __init__(self, lr: Rate = 0.01, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.alpha = real_number(alpha, "alpha", 0, 1, open_high=True)
        self.eps = real_number(eps, "eps", 0, open_low=True)

    def update(self, weight: np.ndarray, gradient: np.ndarray, slots: Slots) -> None:
        core.rmsprop(weight, gradient, slots[0], *self.rates)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square",)

    @property
    def rates(self) -> tuple[Any, ...]:
        return self.lr, self.alpha, self.eps, self.weight_decay


class Adam(Optimizer):
    """m, v: running means of g and g^2; w -= lr m/(1-beta1^t) / (sqrt(v/(1-beta2^t)) + eps). Kingma and Ba 2015."""

    kind = "adam"
    decoupled = False  # the weight decay is taken off the weight itself, rather than added to g

    def __init__(
        self,
        lr: Rate = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr, weight_decay)
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise TypeError(f"betas must be a pair of numbers, not {shown(betas)}")
        beta1, beta2 = betas
        self.betas = (
            real_number(beta1, "betas[0]", 0, 1, open_high=True),
            real_number(beta2, "betas[1]", 0, 1, open_high=True),
        )
        self.eps = real_number(eps, "eps", 0, open_low=True)

    def update(self, weight: np.ndarray, gradient: np.ndarray, slots: Slots) -> None:
        mean, square = slots
        core.adam(weight, gradient, mean, square, self.steps, *self.rates, self.decoupled)  # type: ignore[call-arg]

    @property
    def slots(self) -> tuple[str, ...]:
        return "mean", "square"

    @property
    def rates(self) -> tuple[Any, ...]:
        return self.lr, *self.betas, self.eps, self.weight_decay


class AdamW(Adam):
    """Adam with the weight decay taken off the weight itself: w *= 1 - lr weight_decay. Loshchilov and Hutter 2019."""

    kind = "adamw"
    decoupled = True

    def __init__(
        self,
        lr: Rate = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay)


# kind -> class: derived, so that to write the class is all. One without a kernel is an ImportError.
OPTIMIZERS: dict[str, type[Optimizer]] = kinds_of(Optimizer, core.OPTIMIZERS)
