"""Are the signs the cause? Turn them: every other pixel times -1, and its weights as well. Then train both nets.

Run it as it is to see the picture, or with a file name to save it: python examples/gauge_flip.py picture.png
"""

# %% The same function, written with other signs
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg
from minigrad.diagnostics import gauge_flip, single_signed_share

x, y, _, _ = mg.datasets.load("digits")
x, y = (x[:500] + 1) / 17, y[:500]  # all inputs above 0, as behind a sigmoid
net = mg.mlp([64, 32, 10], activation="sigmoid", rng=0)
turned, turned_x = gauge_flip(net, x, np.tile([1, -1], 32))

# %% One sample at a time, the way the sign rule is strictest
losses = []
for name, twin, inputs in (("as it was", net, x), ("signs turned", turned, turned_x)):
    g = mg.backprop(twin, mg.CrossEntropyLoss(), inputs, y).gradients["0"]
    rows = 100 * single_signed_share(g, per_sample=True)
    settings = {"epochs": 10, "batch_size": 1, "rng": 0, "progress": False}
    losses.append(mg.fit(twin, mg.CrossEntropyLoss(), mg.SGD(lr=0.05), inputs, y, **settings).loss)
    print(f"{name}: {rows:.0f} % of the rows have one sign, loss at the end {losses[-1][-1]:.17g}")
print("the same losses, bit for bit:", losses[0] == losses[1])

# %% One curve on top of the other
fig, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
ax.plot(losses[0], color="#E69F00", linewidth=7, label="all rows have one sign")
ax.plot(losses[1], color="#444444", linewidth=2, label="no row has one sign")
ax.legend(frameon=False)
ax.set(xlabel="epoch", ylabel="loss")
show_or_save()
