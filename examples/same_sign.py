"""Why do all weights into a sigmoid neuron move the same way? Look at one gradient as an outer product.

Run it as it is to see the picture, or with a file name to save it: python examples/same_sign.py picture.png
"""

# %% Two small nets, trained for a moment, that differ in their activation alone
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg

x, y, _, _ = mg.datasets.load("digits")
loss, gradients = mg.CrossEntropyLoss(), {}
for activation in ("sigmoid", "tanh"):
    net = mg.mlp([64, 32, 16, 10], activation=activation, rng=0)
    mg.fit(net, loss, mg.SGD(lr=0.1, momentum=0.9), x / 16, y, epochs=5, rng=0, progress=False)

    # The gradient of one sample is every delta times every a, and nothing else
    g = mg.backprop(net, loss, x[:1] / 16, y[:1]).gradients["2"]
    assert np.array_equal(g.weight, np.outer(g.delta[0], g.a[0]))
    one_sign = (g.weight >= 0).all(axis=1) | (g.weight <= 0).all(axis=1)
    print(f"{activation}, a from {g.a.min():.2f} to {g.a.max():.2f}: {one_sign.sum()} of 16 rows have one sign")
    gradients[activation] = g.weight

# %% A row is a neuron, a column one of its inputs. Orange is plus, blue is minus
fig, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
colours = plt.matplotlib.colors.LinearSegmentedColormap.from_list("signs", ["#0072B2", "#F0F0F0", "#D55E00"])
for ax, (activation, weight) in zip(axes, gradients.items(), strict=True):
    ax.imshow(np.sign(weight), cmap=colours, vmin=-1, vmax=1, aspect="auto")
    ax.set(title=f"{activation}: signs of one sample's gradient", xlabel="input", ylabel="neuron")
show_or_save()
