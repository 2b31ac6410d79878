"""Three spirals wound into each other, and the boundary a small net draws between them.

Run it as it is to see the picture, or with a file name to save it: python examples/spirals.py picture.png
"""

# %% 600 points to learn from, 300 new ones to be judged by
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg

x, y = mg.datasets.spirals(600, classes=3, noise=0.02, rng=0)
x_new, y_new = mg.datasets.spirals(300, classes=3, noise=0.02, rng=1)

# %% Two hidden layers of tanh, and Adam
net = mg.mlp([2, 32, 32, 3], activation="tanh", rng=0)
print("before:", f"{mg.accuracy(net(x_new), y_new):.0%} of the new points right")
history = mg.fit(net, mg.CrossEntropyLoss(), mg.Adam(lr=0.01), x, y, epochs=100, rng=0, progress=False)
print("after:", f"{mg.accuracy(net(x_new), y_new):.0%} of the new points right, loss {history.loss[-1]:.3f}")

# %% The class the net would give to each point of the plane
grid = np.linspace(-1.3, 1.3, 300)
points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
classes = net(points).argmax(axis=1).reshape(300, 300)
names = ["#E69F00", "#009E73", "#CC79A7"]
fig, ax = plt.subplots(figsize=(6, 6), layout="constrained")
area = plt.matplotlib.colors.ListedColormap(names)
ax.imshow(classes, extent=(-1.3, 1.3, -1.3, 1.3), origin="lower", cmap=area, vmin=0, vmax=2, alpha=0.4)
for k, name in enumerate(names):
    ax.plot(*x_new[y_new == k].T, "o", color=name, markersize=5, markeredgecolor="black", markeredgewidth=0.5)
ax.set(title="areas: what the net says; dots: new points", xticks=[], yticks=[])
show_or_save()
