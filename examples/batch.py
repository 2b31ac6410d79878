"""Does a mini-batch free the signs? Count the rows of a gradient that still have one sign, by batch size.

Run it as it is to see the picture, or with a file name to save it: python examples/batch.py picture.png
"""

# %% Three nets before training, and the gradient of their output layer
import matplotlib.pyplot as plt
from picture import show_or_save

import minigrad as mg
from minigrad.diagnostics import batch_survival, survival_limit

x, y, _, _ = mg.datasets.load("digits")
sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256]
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for activation, colour in (("sigmoid", "#E69F00"), ("relu", "#009E73"), ("tanh", "#CC79A7")):
    net = mg.mlp([64, 64, 64, 10], activation=activation, rng=0)
    g = mg.backprop(net, mg.CrossEntropyLoss(), x / 16, y).gradients["4"]

    # Batches drawn at random from the samples; the limit is what the theorem says of very large ones
    shares = [100 * batch_survival(g, size, draws=100, rng=0) for size in sizes]
    limit = 100 * survival_limit(g.a, draws=500, rng=0)
    print(f"{activation:8}", " ".join(f"{share:.0f} %" for share in shares))
    ax.semilogx(sizes, shares, "o-", base=2, color=colour)
    ax.axhline(limit, color=colour, linestyle="--", linewidth=1)
    at = 3 if activation == "relu" else 8
    ax.annotate(activation, (sizes[at], shares[at]), xytext=(8, 3), textcoords="offset points", color=colour)
ax.set(xlabel="samples in the batch", ylabel="rows with one sign (%)", xticks=sizes, xticklabels=sizes)
show_or_save()
