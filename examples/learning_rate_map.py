"""Which learning rate suits which first weights? A map of 131,072 trainings, side by side in little more than a minute.

Run it as it is to see the picture, or with a file name to save it: python examples/learning_rate_map.py picture.png
A number behind the name is the size of the map: 64 is quick.
"""

# %% Exclusive or, and for each activation a square of nets: one seed, first weights times a gain, and a rate for each
import sys
import time

import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg

x, y = np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]]), np.array([[0.0], [1], [1], [0]])
size = int(sys.argv[2]) if sys.argv[2:] and sys.argv[2].isdigit() else 256
rates, gains = np.geomspace(0.03, 300, size), np.geomspace(0.03, 30, size)
loss, epochs = mg.BCEWithLogitsLoss(), 500


def a_net(activation, gain):
    """A net with its first weights times gain."""
    net = mg.mlp([2, 4, 1], activation, rng=3, dtype=np.float32)
    net[0].weight *= gain
    net[2].weight *= gain
    return net


# %% A row of the map is one call: how many steps until the loss is below 0.1, and where theory draws the limit
figure, axes = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained", sharey=True)
for ax, activation in zip(axes, ("sigmoid", "tanh"), strict=True):
    start, steps, limits = time.perf_counter(), np.full((size, size), np.nan), []
    for row, gain in zip(steps, gains, strict=True):
        nets = [a_net(activation, gain) for _ in rates]
        limits.append(mg.diagnostics.max_stable_lr(mg.backprop(nets[0], loss, x, y).gradients["2"], True, loss=loss))
        opts = [mg.SGD(lr) for lr in rates]
        histories = mg.fit_many(nets, loss, opts, x, y, epochs=epochs, shuffle=False, progress=False)
        learned = np.array([history.loss for history in histories]) < 0.1
        row[learned[:, -1]] = learned.argmax(axis=1)[learned[:, -1]] + 1  # the others keep NaN
    seconds = time.perf_counter() - start
    share = np.isfinite(steps).mean()
    print(
        f"{activation}: {size * size:,} nets in {seconds:.0f} s; {share:.0%} learn, fastest in {np.nanmin(steps):.0f}"
    )
    image = ax.pcolormesh(rates, gains, steps, cmap="viridis_r", norm="log", rasterized=True)
    ax.plot(limits, gains, color="#C2447E", linewidth=2)
    ax.annotate(r"$2/\lambda_1$", (limits[size // 3], gains[size // 3]), xytext=(6, 0), textcoords="offset points",
                color="#C2447E", size=14, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
    ax.set(title=activation, xscale="log", yscale="log", xlabel="learning rate", facecolor="#DDDDDD")

# %% Left of the line the last layer bears the rate, whatever its outputs are; grey nets have not learned
axes[0].set_ylabel("gain of the first weights")
figure.colorbar(image, ax=axes, label=f"steps to learn; grey: not within {epochs}")
show_or_save()
