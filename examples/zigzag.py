"""The zig-zag of gradient descent: a matter of the learning rate, and not a sign of slowness.

Run it as it is to see the picture, or with a file name to save it: python examples/zigzag.py picture.png
"""

# %% A neuron with two sigmoid inputs, which are always positive, has to find the weights (1.5, -0.7)
import itertools

import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg
from minigrad.diagnostics import ZigZag, spectrum

a = mg.Sigmoid()(np.random.default_rng(0).standard_normal((200, 2)))
wanted = np.array([1.5, -0.7])
largest, smallest = 2 * spectrum(a)  # the curvatures of the loss (its 2 comes from the square)

# %% The same start, two learning rates
fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", sharey=True)
rates = {"best rate": 2 / (largest + smallest), "rate 1/lambda": 1 / largest}
for ax, (name, lr) in zip(axes, rates.items(), strict=True):
    net = mg.Sequential(mg.Linear(2, 1, bias=False, init="zeros"))
    opt, path = mg.SGD(lr), [net[0].weight[0].copy()]
    while np.linalg.norm(path[-1] - wanted) > 1e-3 * np.linalg.norm(wanted):
        opt.step(net, mg.backprop(net, mg.MSELoss(), a, (a @ wanted)[:, None]))
        path.append(net[0].weight[0].copy())
    reversals = ZigZag.of_weights(path).reversals[0]
    print(f"{name}: {len(path) - 1} steps, {reversals} reversals")

    # Orange: both weights up. Blue: both down. Grey: one up, one down
    for start, end in itertools.pairwise(path):
        colour = "#D55E00" if (end > start).all() else "#0072B2" if (end < start).all() else "#444444"
        ax.plot(*np.transpose([start, end]), color=colour)
    ax.plot(*wanted, "kx", markersize=10)
    ax.set(title=f"{name}: {len(path) - 1} steps, {reversals} reversals", xlabel="weight 1", ylabel="weight 2")
show_or_save()
