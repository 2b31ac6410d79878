"""The smallest problem that one layer cannot solve: exclusive or, learnt by four hidden neurons.

Run it as it is to see the picture, or with a file name to save it: python examples/xor.py picture.png
"""

# %% Four points; y is 1 where exactly one of the two inputs is 1
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg

x, y = mg.datasets.xor()
net = mg.mlp([2, 4, 1], activation="tanh", rng=0)
one_layer = mg.mlp([2, 1], rng=0)

# %% Train both, all four points at a time. The loss holds the output's sigmoid
loss = mg.BCEWithLogitsLoss()
for model, name in ((one_layer, "one layer"), (net, "two layers")):
    history = mg.fit(model, loss, mg.SGD(lr=1.0), x, y, epochs=1000, batch_size=4, progress=False)
    answers = mg.sigmoid(model(x))[:, 0]
    print(f"{name}: loss {history.loss[-1]:.3f}, answers", " ".join(f"{a:.2f}" for a in answers))

# %% What the net says between the points: orange for 1, blue for 0
grid = np.linspace(-0.5, 1.5, 200)
points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
said = mg.sigmoid(net(points)).reshape(200, 200)
colours = plt.matplotlib.colors.LinearSegmentedColormap.from_list("signs", ["#0072B2", "#F0F0F0", "#D55E00"])
plt.figure(figsize=(6, 5), layout="constrained")
plt.imshow(said, extent=(-0.5, 1.5, -0.5, 1.5), origin="lower", cmap=colours, vmin=0, vmax=1)
for (first, second), (answer,) in zip(x, y, strict=True):
    plt.plot(first, second, "o", markersize=22, markeredgecolor="black", color="#D55E00" if answer else "#0072B2")
    plt.text(first, second, f"{answer:.0f}", color="white", ha="center", va="center", size=13)
plt.xlabel("first input")
plt.ylabel("second input")
show_or_save()
