"""Write a layer of your own in Python: two methods, and it trains, saves and checks like the built-in ones.

Run it as it is to see the picture, or with a file name to save it: python examples/own_layer.py picture.png
"""

# %% A sigmoid as steep as tanh at the start, that learns how steep to be: a = sigma(gain z), a gain for each neuron
import tempfile

import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg


class SteepSigmoid(mg.Layer):
    """a_k = sigma(gain_k z_k). The slope at z = 0 is gain / 4."""

    parameter_names = ("gain",)

    def __init__(self, features):
        self.gain = np.full(features, 4.0)

    def forward(self, z):
        a = mg.sigmoid(self.gain * z)
        return a, (z, a)  # the output, and what backward will need

    def backward(self, delta, saved):
        z, a = saved
        inner = delta * a * (1 - a)
        return inner * self.gain, {"gain": (inner * z).mean(axis=0)}  # delta below, and dC/dgain

    def config(self):
        return {"features": len(self.gain)}  # SteepSigmoid(**config) is what load fills with the saved arrays


# %% Is the derivative right? gradcheck compares every one of them with a difference quotient
x, y, _, _ = mg.datasets.load("digits")
x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
nets = {}
for name, hidden in (("plain sigmoid", lambda: mg.Sigmoid()), ("steep sigmoid", lambda: SteepSigmoid(32))):
    layers = [mg.Linear(64, 32, rng=0), hidden()]
    for seed in (1, 2, 3):
        layers += [mg.Linear(32, 32, rng=seed), hidden()]
    nets[name] = mg.Sequential(*layers, mg.Linear(32, 10, rng=4))
errors = mg.gradcheck(nets["steep sigmoid"], mg.CrossEntropyLoss(), x[:5], y[:5])
print(f"largest relative error of a derivative: {max(errors.values()):.0e}")

# %% Train it beside the plain sigmoid
plt.figure(figsize=(8, 4), layout="constrained")
for (name, net), colour in zip(nets.items(), ("#444444", "#009E73"), strict=True):
    history = mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(lr=0.5), x, y, epochs=15, rng=0, progress=False)
    print(f"{name}: loss {history.loss[-1]:.3f}, {mg.accuracy(net(x), y):.1%} right")
    plt.plot(range(1, 16), history.loss, color=colour)
    plt.annotate(name, (6, history.loss[5]), xytext=(8, 6), textcoords="offset points", color=colour)
plt.gca().set(xlabel="epoch", ylabel="loss")
with tempfile.TemporaryDirectory() as folder:  # a file holds no code: whoever loads it needs the class
    mg.save(net, f"{folder}/steep.npz")
    print("the same after load:", np.array_equal(mg.load(f"{folder}/steep.npz")(x), net(x)))
show_or_save()
