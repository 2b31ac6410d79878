"""Why do the lower layers of a deep sigmoid net hardly learn? Follow the error delta down through 20 layers.

Run it as it is to see the picture, or with a file name to save it: python examples/vanishing.py picture.png
"""

# %% Data, and nets that differ in the size of their first weights, N(0, gain^2 / inputs), and in nothing else
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg
from minigrad.diagnostics import attenuation, mean_field_rate

x, y, _, _ = mg.datasets.load("digits")
x, y, depth = (x[:100] - x.mean(axis=0)) / (x.std(axis=0) + 1e-9), y[:100], 20
layers = np.arange(1, depth + 1)

# %% The slope is at most 1/4 in all of them, but the weights decide how much of delta arrives
plt.figure(figsize=(8, 4.5), layout="constrained")
for gain, colour in ((1, "#444444"), (4, "#E69F00"), (10.149, "#009E73")):
    net = mg.mlp([64] + [100] * depth + [10], activation="sigmoid", init="lecun_normal", rng=0)  # N(0, 1 / inputs)
    for layer in net[::2]:
        layer.weight *= gain
    norms = attenuation(mg.backprop(net, mg.CrossEntropyLoss(), x, y)).norms[:depth]
    measured = (norms[4] / norms[-1]) ** (1 / (depth - 5))
    theory = 10 ** mean_field_rate("sigmoid", gain).decades
    print(f"gain {gain}: each layer leaves {measured:.2f} of delta (theory {theory:.2f})")
    plt.plot(layers, norms / norms[-1], "o", color=colour)
    plt.plot(layers, theory ** (depth - layers), color=colour)
    plt.annotate(f"gain {gain}", (1, theory ** (depth - 1)), xytext=(8, 0), textcoords="offset points", color=colour)

# %% "0.25 per layer" is the dotted line: a matter of the weights, not a law
plt.plot(layers, 0.25 ** (depth - layers), "k:")
plt.yscale("log")
plt.xlim(depth + 0.5, -2)
plt.xticks([20, 15, 10, 5, 1])
plt.xlabel("hidden layer; the error travels to the right, down to layer 1")
plt.ylabel("|delta|, of that in layer 20")
show_or_save()
