"""Which learning rate does each activation bear? 52 trainings, by one line, on one core, all cores or a cluster.

Run it as it is to see the picture, or with a file name to save it: python examples/sweep.py picture.png
"""

# %% One job: train one net and say how it ended. What distinguishes it from the others is its config
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg

x, y, _, _ = mg.datasets.load("digits")
warnings.simplefilter("ignore", RuntimeWarning)  # some rates are too high, and that is what is asked


def final_loss(config):
    """The training loss after 10 epochs."""
    activation, lr = config
    net = mg.mlp([64, 32, 32, 10], activation, rng=0)
    return mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(lr), x / 16, y, epochs=10, rng=0, progress=False).loss[-1]


# %% All jobs, on all cores. Threads will do, for the compiled core lets others run beside it.
# ProcessPoolExecutor(), loky's get_reusable_executor() or Dask's client.get_executor(pure=False) could stand here too
COLOURS = {"sigmoid": "#6F48E8", "tanh": "#97941C", "relu": "#1F7F5F", "gelu": "#C2507A"}
rates = np.geomspace(0.01, 10, 13)
with ThreadPoolExecutor() as executor:
    losses = mg.sweep(final_loss, product(COLOURS, rates), executor, progress=False)
losses = np.reshape(losses, (len(COLOURS), len(rates)))

# %% How each ended, against the learning rate; a ring where it is best
plt.figure(figsize=(7, 4.5), layout="constrained")
for (activation, colour), row in zip(COLOURS.items(), losses, strict=True):
    best = row.argmin()
    print(f"{activation:8} best at lr {rates[best]:.2f}: loss {row[best]:.3f}")
    plt.plot(rates, row, ".-", color=colour, label=activation)
    plt.plot(rates[best], row[best], "o", markersize=12, markerfacecolor="none", color=colour)
plt.axhline(np.log(10), color="#888888", linestyle="--", linewidth=1)
plt.text(0.02, 1.1 * np.log(10), "log 10: knows nothing", color="#666666")
plt.xscale("log")
plt.yscale("log")
plt.ylim(losses.min() / 2, 10)
plt.xlabel("learning rate")
plt.ylabel("training loss after 10 epochs")
plt.legend(loc="lower left")
show_or_save()
