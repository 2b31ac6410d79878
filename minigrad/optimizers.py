"""What is done with a gradient: SGD, RMSprop, Adam and AdamW, with PyTorch's update rules.

Every rule works on each weight alone, and all but the weight decay on the gradient alone. State (velocities, running
means) is kept by parameter name, in .state, so an optimiser belongs to one net.
"""

import numpy as np

from ._backend import core
from ._checks import as_float, instance, real_number, shown
from .layers import Layer


class Optimizer:
    """What all optimisers share. slots names the arrays kept for each parameter."""

    def __init__(self, lr, weight_decay):
        self.lr = real_number(lr, "lr", 0, open_low=True)
        self.weight_decay = real_number(weight_decay, "weight_decay", 0)
        self.steps = 0
        self.state = {}  # parameter name -> tuple of arrays, one per slot

    @property
    def slots(self):
        """The names of the arrays kept for each parameter."""
        return ()

    @property
    def rates(self):
        """The numbers that its kernel takes, in their order."""
        return ()

    def step(self, net, bp):
        """Change the weights of net, in place, by the gradients of a Backprop (or by such a dict)."""
        if not isinstance(bp, dict) and not hasattr(bp, "parameter_gradients"):
            raise TypeError(f"gradients must be a Backprop or a dict, not {shown(bp)}")
        parameters = instance(net, Layer, "net").parameters()
        gradients = dict(bp if isinstance(bp, dict) else bp.parameter_gradients())
        for name, gradient in gradients.items():
            if name not in parameters:
                raise KeyError(f"the net has no parameter {name!r}; it has {list(parameters)}")
            gradients[name] = gradient = as_float(gradient, f"gradient {name!r}", parameters[name].dtype)
            if gradient.shape != parameters[name].shape:
                raise ValueError(f"gradient {name!r} has shape {gradient.shape}, expected {parameters[name].shape}")
            if self.slots and name in self.state and self.state[name][0].shape != gradient.shape:
                raise ValueError(f"this optimizer has state for another net: {name!r} has another shape there")
        self.steps += 1
        for name, gradient in gradients.items():
            self.update(parameters[name], gradient, self.slots_of(name, parameters[name]))

    def slots_of(self, name, weight):
        """The arrays kept for a parameter, zero at first."""
        if name not in self.state:
            self.state[name] = tuple(np.zeros_like(weight) for _ in self.slots)
        return self.state[name]

    def update(self, weight, gradient, slots):
        """One step on one parameter, in place."""
        raise NotImplementedError(f"{type(self).__name__}.update")

    def config(self):
        """The constructor's arguments."""
        return {k: v for k, v in vars(self).items() if k not in ("steps", "state")}

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.config().items())})"


class SGD(Optimizer):
    """v = momentum v + g; w -= lr v, with Nesterov w -= lr (g + momentum v); g includes weight_decay w."""

    def __init__(self, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
        super().__init__(lr, weight_decay)
        self.momentum = real_number(momentum, "momentum", 0, 1, open_high=True)
        self.nesterov = bool(nesterov)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")

    @property
    def slots(self):
        return ("velocity",) if self.momentum else ()

    def update(self, weight, gradient, slots):
        velocity = slots[0] if slots else None
        core.sgd(weight, gradient, velocity, *self.rates)

    @property
    def rates(self):
        return self.lr, self.momentum, self.nesterov, self.weight_decay


class RMSprop(Optimizer):
    """s = alpha s + (1 - alpha) g^2; w -= lr g / (sqrt(s) + eps). Tieleman and Hinton 2012."""

    def __init__(self, lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0.0):
        super().__init__(lr, weight_decay)
        self.alpha = real_number(alpha, "alpha", 0, 1, open_high=True)
        self.eps = real_number(eps, "eps", 0, open_low=True)

    def update(self, weight, gradient, slots):
        core.rmsprop(weight, gradient, slots[0], *self.rates)

    @property
    def slots(self):
        return ("square",)

    @property
    def rates(self):
        return self.lr, self.alpha, self.eps, self.weight_decay


class Adam(Optimizer):
    """m, v: running means of g and g^2; w -= lr m/(1-beta1^t) / (sqrt(v/(1-beta2^t)) + eps). Kingma and Ba 2015."""

    decoupled = False  # is the weight decay taken off the weight itself, rather than added to g?

    def __init__(self, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(lr, weight_decay)
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise TypeError(f"betas must be a pair of numbers, not {shown(betas)}")
        beta1, beta2 = betas
        self.betas = (
            real_number(beta1, "betas[0]", 0, 1, open_high=True),
            real_number(beta2, "betas[1]", 0, 1, open_high=True),
        )
        self.eps = real_number(eps, "eps", 0, open_low=True)

    def update(self, weight, gradient, slots):
        core.adam(weight, gradient, *slots, self.steps, *self.rates, self.decoupled)

    @property
    def slots(self):
        return "mean", "square"

    @property
    def rates(self):
        return self.lr, *self.betas, self.eps, self.weight_decay


class AdamW(Adam):
    """Adam with the weight decay taken off the weight itself: w *= 1 - lr weight_decay. Loshchilov and Hutter 2019."""

    decoupled = True

    def __init__(self, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(lr, betas, eps, weight_decay)
