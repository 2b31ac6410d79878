"""Which loss belongs to a sigmoid output? One neuron that is sure and wrong, and how long it takes to give in.

Run it as it is to see the picture, or with a file name to save it: python examples/output_pairing.py picture.png
"""

# %% One weight, one bias, input 1, target 0. At the start z = 6, so the neuron says 0.9975
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg

x, target = np.ones((1, 1)), np.zeros((1, 1))
neurons = {name: mg.Linear(1, 1) for name in ("squared error", "cross-entropy")}
for linear in neurons.values():
    linear.weight[:], linear.bias[:] = 3, 3

# %% Cross-entropy of logits holds the sigmoid itself: its slope cancels, and delta is a - y
pairs = {
    "squared error": (mg.Sequential(neurons["squared error"], mg.Sigmoid()), mg.MSELoss()),
    "cross-entropy": (mg.Sequential(neurons["cross-entropy"]), mg.BCEWithLogitsLoss()),
}
plt.figure(figsize=(8, 4), layout="constrained")
for (name, (net, loss)), colour in zip(pairs.items(), ("#CC79A7", "#009E73"), strict=True):
    linear, opt, said = neurons[name], mg.SGD(lr=0.15), [1.0]
    delta = mg.backprop(net, loss, x, target).gradients["0"].delta.item()
    while said[-1] > 0.1:
        opt.step(net, mg.backprop(net, loss, x, target))
        said.append(mg.sigmoid(linear.weight + linear.bias).item())
    print(f"{name}: first delta {delta:.4f}, {len(said) - 1} steps")
    plt.plot(range(1, len(said)), said[1:], color=colour)
    plt.annotate(name, (len(said), 0.1), xytext=(4, 14), textcoords="offset points", color=colour)

# %% With the squared error nothing moves as long as the neuron is sure of its mistake
plt.xlim(0, 1050)
plt.xlabel("step")
plt.ylabel("what the neuron says (target 0)")
show_or_save()
