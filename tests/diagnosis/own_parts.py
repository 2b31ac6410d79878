"""Layers and losses of one's own, as a reader of minigrad would write them: right ones, and some with a mistake."""

import numpy as np

import minigrad as mg

# ---- layers ----------------------------------------------------------------------------------------------


class OwnSoftmax(mg.Layer):
    """p = softmax(z), over the last axis."""

    def forward(self, z):
        p = mg.softmax(z)
        return p, p

    def backward(self, delta, p):
        return p * (delta - (delta * p).sum(axis=-1, keepdims=True)), {}


class OwnSteepTanh(mg.Layer):
    """a_k = tanh(gain_k z_k), with a gain that is learnt."""

    parameter_names = ("gain",)

    def __init__(self, features):
        self.gain = np.full(features, 1.5)

    def forward(self, z):
        a = np.tanh(self.gain * z)
        return a, (z, a)

    def backward(self, delta, saved):
        z, a = saved
        inner = delta * (1 - a * a)
        return inner * self.gain, {"gain": (inner * z).mean(axis=0)}

    def config(self):
        return {"features": len(self.gain)}


class OwnSteepSigmoid(mg.Layer):
    """a_k = sigma(gain_k z_k), with gains that start at 4 and are learnt: the layer of examples/own_layer.py."""

    parameter_names = ("gain",)

    def __init__(self, features):
        self.gain = np.full(features, 4.0)

    def forward(self, z):
        a = mg.sigmoid(self.gain * z)
        return a, (z, a)

    def backward(self, delta, saved):
        z, a = saved
        inner = delta * a * (1 - a)
        return inner * self.gain, {"gain": (inner * z).mean(axis=0)}

    def config(self):
        return {"features": len(self.gain)}


class OwnSine(mg.Layer):
    """a = sin z."""

    def forward(self, z):
        return np.sin(z), z

    def backward(self, delta, z):
        return delta * np.cos(z), {}


class OwnExp(mg.Layer):
    """a = e^z: the exponential activation of Keras."""

    def forward(self, z):
        a = np.exp(z)
        return a, a

    def backward(self, delta, a):
        return delta * a, {}


class OwnScale(mg.Layer):
    """a = factor z, with a factor that is fixed."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, z):
        return self.factor * z, None

    def backward(self, delta, saved):
        return self.factor * delta, {}

    def config(self):
        return {"factor": self.factor}


class OwnMeanOverTime(mg.Layer):
    """x (N, T, J) -> (N, J): the mean over the positions."""

    def forward(self, x):
        return x.mean(axis=1), x.shape

    def backward(self, delta, shape):
        return np.broadcast_to(delta[:, None, :] / shape[1], shape).copy(), {}


# ---- losses: c_n is of one sample, delta its derivative, without the 1/N --------------------------------


class OwnHuber(mg.Loss):
    """c = mean_k of e^2 / 2 below 1, |e| - 1/2 above."""

    def value_and_delta(self, output, y):
        e = output - y
        size = np.abs(e)
        c = np.where(size < 1, e * e / 2, size - 0.5)
        return float(c.mean()), np.clip(e, -1, 1) / output.shape[-1]


class OwnLogCosh(mg.Loss):
    """c = mean_k log cosh e."""

    def value_and_delta(self, output, y):
        e = output - y
        c = np.logaddexp(e, -e) - np.log(2)
        return float(c.mean()), np.tanh(e) / output.shape[-1]


class OwnAbsolute(mg.Loss):
    """c = mean_k |e|: the mean absolute error."""

    def value_and_delta(self, output, y):
        e = output - y
        return float(np.abs(e).mean()), np.sign(e) / output.shape[-1]


class OwnWeightedSquares(mg.Loss):
    """c_n = w_n e_n^2, the w of a sample twice as large where its target is above 0; the w of a batch have mean 1."""

    def value_and_delta(self, output, y):
        w = np.where(y > 0, 2.0, 1.0)
        w /= w.mean()
        e = output - y
        return float((w * e * e).mean()), 2 * w * e / output.shape[-1]


class OwnHinge(mg.Loss):
    """c = mean_k max(0, 1 - s a), s = 2y - 1: a support vector machine."""

    of_classes, threshold = True, 0.0

    def value_and_delta(self, output, y):
        s = 2 * y - 1
        inside = (s * output < 1).astype(output.dtype)
        return float(np.maximum(0, 1 - s * output).mean()), -s * inside / output.shape[-1]


class OwnSmoothedCrossEntropy(mg.CrossEntropyLoss):
    """Cross-entropy against targets of which a tenth is spread over all classes. Szegedy et al. 2016."""

    kind = ""

    def value_and_delta(self, output, y):
        K = output.shape[-1]
        soft = np.eye(K, dtype=output.dtype)[y] if y.ndim < output.ndim else y
        return super().value_and_delta(output, 0.9 * soft + 0.1 / K)


# ---- losses with a mistake -------------------------------------------------------------------------------


class OwnSumOfSquares(mg.Loss):
    """The sum over the batch, and its derivative: delta grows with the batch."""

    def value_and_delta(self, output, y):
        e = output - y
        return float((e * e).sum()), 2 * len(e) * e


class OwnSumOfLogits(mg.Loss):
    """Binary cross-entropy on logits, summed over the batch."""

    of_classes, threshold = True, 0.0

    def value_and_delta(self, output, y):
        c = np.logaddexp(0, output) - y * output
        return float(c.sum()), len(output) * (mg.sigmoid(output) - y)


class OwnSumCrossEntropy(mg.CrossEntropyLoss):
    """Cross-entropy summed over the batch."""

    kind = ""

    def value_and_delta(self, output, y):
        value, delta = super().value_and_delta(output, y)
        return value * len(output), delta * len(output)


class OwnMeanTwice(mg.Loss):
    """Squares, with a delta that was divided by N although the framework divides too."""

    def value_and_delta(self, output, y):
        e = output - y
        return float((e * e).mean()), 2 * e / e.size


class OwnMeanTwiceCrossEntropy(mg.CrossEntropyLoss):
    """Cross-entropy with a delta that was divided by N although the framework divides too."""

    kind = ""

    def value_and_delta(self, output, y):
        value, delta = super().value_and_delta(output, y)
        return value, delta / len(output)


class OwnUphill(mg.Loss):
    """Squares, with y - output for output - y: the steps go uphill."""

    def value_and_delta(self, output, y):
        e = y - output
        return float((e * e).mean()), 2 * e / output.shape[-1]


class OwnUphillCrossEntropy(mg.CrossEntropyLoss):
    """Cross-entropy with delta of the wrong sign."""

    kind = ""

    def value_and_delta(self, output, y):
        value, delta = super().value_and_delta(output, y)
        return value, -delta


class OwnLogitsOnce(mg.Loss):
    """Binary cross-entropy on logits with the sigmoid's derivative left in and the target's left out."""

    of_classes, threshold = True, 0.0

    def value_and_delta(self, output, y):
        p = mg.sigmoid(output)
        c = np.logaddexp(0, output) - y * output
        return float(c.mean()), p * (1 - p) / output.shape[-1]
