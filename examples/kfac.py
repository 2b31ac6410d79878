"""K-FAC in ten lines: delta and a are all it needs, and minigrad keeps both.

K-FAC (Martens and Grosse 2015) divides a layer's gradient by the second moments of its two factors:
G -> E[delta delta^T]^-1 G E[a a^T]^-1. It undoes what the mean of sigmoid's outputs does to plain descent.
Run it as it is to see the picture, or with a file name to save it: python examples/kfac.py picture.png
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg


def kfac(bp, damping=1e-2):
    """{parameter: gradient}, each layer divided by the second moments of delta and of a (with its bias)."""
    steps = {}
    for path, g in bp.gradients.items():
        a = np.column_stack([g.a, np.ones(len(g.a))])  # the bias is the weight of a constant 1
        moments = [v.T @ v / len(v) for v in (g.delta, a)]
        d, h = (m + np.sqrt(damping) * np.trace(m) / len(m) * np.eye(len(m)) for m in moments)
        step = np.linalg.solve(d, g.delta.T @ a / len(a)) @ np.linalg.inv(h)
        steps[f"{path}.weight"], steps[f"{path}.bias"] = step[:, :-1].copy(), step[:, -1].copy()
    return steps


# %% Full-batch descent on a sigmoid net, with the plain gradient and with this one, each at a good learning rate
x, y, _, _ = mg.datasets.load("digits")
x, y, loss = x[:500] / 16, y[:500], mg.CrossEntropyLoss()
fig, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
for name, direction, lr, colour in (("plain", None, 4.0, "#E69F00"), ("K-FAC", kfac, 0.2, "#009E73")):
    net, opt, losses = mg.mlp([64, 32, 32, 10], "sigmoid", rng=0), mg.SGD(lr), []
    while len(losses) < 300 and (not losses or losses[-1] > 0.1):
        bp = mg.backprop(net, loss, x, y)
        losses.append(bp.loss)
        opt.step(net, direction(bp) if direction else bp)
    print(f"{name:6} {len(losses)} steps, loss {losses[-1]:.3f}")
    ax.semilogy(losses, color=colour)
    ax.annotate(name, (len(losses) - 1, losses[-1]), xytext=(8, 8), textcoords="offset points", color=colour)
ax.set(xlabel="step", ylabel="loss")
show_or_save()
