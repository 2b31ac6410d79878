"""Three nets that do not learn, as people ask about them: mg.diagnose says why, and its remedies mend them.

Run it as it is to see the picture, or with a file name to save it: python examples/why_not_learning.py picture.png
"""

# %% y = 2x for x up to 199; digits through four layers of sigmoids; percentages out of a sigmoid
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg

count = np.arange(200.0)[:, None]
digits, classes, _, _ = mg.datasets.load("digits")
x = np.random.default_rng(0).uniform(size=(400, 6))
deep = mg.mlp([64, 50, 50, 50, 50, 10], activation="sigmoid", rng=0)
bounded = mg.Sequential(*mg.mlp([6, 16, 1], activation="tanh", rng=0), mg.Sigmoid())
cases = {  # net, loss, x, y, optimizer, and the size of the batches
    "a line": (mg.mlp([1, 1], rng=0), mg.MSELoss(), count, 2 * count, mg.SGD(lr=1e-3), 1),
    "deep sigmoids": (deep, mg.CrossEntropyLoss(), digits / 16, classes, mg.SGD(lr=0.1), 32),
    "percentages": (bounded, mg.MSELoss(), x, 100 * x.mean(axis=1, keepdims=True), mg.SGD(lr=0.1), 32),
}


# %% What a training reaches
def score(net, loss, x, y, opt, batch_size):
    """The share of right classes; of numbers 1 - mean square error / variance. nan where the loss overflows."""
    try:
        mg.fit(net, loss, opt, x, y, epochs=20, batch_size=batch_size, rng=0, progress=False)
    except mg.DivergenceError:
        return np.nan
    return mg.accuracy(net(x), y) if y.ndim == 1 else 1 - np.mean((net(x) - y) ** 2) / y.var()


# %% Ask why, and make a copy with the remedy of the first finding. Ask again for as long as there is a fault
fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for ax, (name, case) in zip(axes, cases.items(), strict=True):
    now, curves = case, []
    while True:
        found = mg.diagnose(*now[:5], batch_size=now[5])
        curves.append(np.divide(found.facts["trial_losses"], found.facts["constant_loss"]))
        if found.ok or len(curves) > 3:
            break
        first = found.findings[0]
        print(f"{name}: {first.name}, {first.measured:.3g}, expected {first.expected}\n  {first.text}\n  {first.code}")
        s = first.apply()
        now = s.net, s.loss, s.x, s.y, s.opt, s.batch_size
    print(f"{name}: score {score(*case):.2f}, and {score(*now):.2f} with what was found\n")
    for losses, colour in ((curves[0], "#D55E00"), (curves[-1], "#0072B2")):
        ax.plot(10 * np.arange(len(losses)), losses, color=colour)
    ax.set(title=name, yscale="linear" if name == "deep sigmoids" else "log", xlabel="step")
axes[0].set_ylabel("loss / loss of the best constant")
fig.suptitle("orange: as it is; blue: mended", fontsize=11)
show_or_save()
