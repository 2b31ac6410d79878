"""What happens to a sigmoid layer if you forget to scale its inputs? Most of its units are stuck at 0 or 1.

Run it as it is to see the picture, or with a file name to save it: python examples/saturation.py picture.png
"""

# %% The same net before training, once with the digits as they are (0 to 16) and once scaled to 0..1
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg

x, y, _, _ = mg.datasets.load("digits")
net = mg.mlp([64, 32, 10], activation="sigmoid", rng=0)
bins = np.linspace(-30, 30, 61)
plt.figure(figsize=(8, 4), layout="constrained")
for name, data, colour in (("raw inputs", x, "#CC79A7"), ("scaled inputs", x / 16, "#009E73")):
    found = mg.diagnostics.saturation(net, data, threshold=0.01)["1"]
    print(f"{name}: slope below 0.01 for {found.low:.0%} at the lower tail, {found.high:.0%} at the upper tail")
    z = net[0](data)
    weights = np.full(z.size, 100 / z.size)
    plt.hist(z.ravel(), bins, weights=weights, histtype="step", linewidth=2, color=colour)
    plt.text(6, 30 if name[0] == "s" else 8, name, color=colour, size=13)

# %% The two tails are not alike in floats: 1 - a is 0 from z = 36.74 on, but a itself lives to z = -745
for z in (36.0, 37.5, -37.5, -745.0):
    a, saved = net[1].forward(np.array([[z]]))
    slope = net[1].backward(np.ones((1, 1)), saved)[0].item()
    print(f"z = {z}: slope in training {slope:.2g}")

# %% Beyond the dashed lines less than a hundredth of delta gets through
plt.axvline(-4.585, color="#444444", linestyle="--")
plt.axvline(4.585, color="#444444", linestyle="--")
plt.xlabel("z of the hidden layer; beyond the dashed lines the slope is below 0.01")
plt.ylabel("share of entries (%)")
show_or_save()
