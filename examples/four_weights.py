"""Two neurons with two weights each: which of the 16 sign patterns can an update have?

Run it as it is to see the picture, or with a file name to save it: python examples/four_weights.py picture.png
"""

# %% The pattern of the question: w1 and w3 up, w2 and w4 down
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

from minigrad.diagnostics import nearest_reachable, reachable_patterns

question = np.array([[1, -1], [1, -1]])
for name, positive in (("sigmoid", True), ("tanh", False)):
    possible = reachable_patterns(2, 2, positive)
    print(f"{name} reaches {possible.count} of {possible.all} patterns; the question's: {question in possible}")

# %% What does it cost? The cosine of the update that is needed and the nearest one that can be had
a = np.array([[0.6, 0.5], [0.4, 0.7]])  # the outputs of two sigmoid neurons, for two samples
for count, words in ((1, "one sample"), (2, "two samples")):
    print(f"cosine with {words}: {nearest_reachable(question, a[:count]).cosine:.2f}")

# %% All 16. A light frame: one sigmoid sample is enough; a dark frame: it takes tanh; none: a batch
fig, axes = plt.subplots(2, 8, figsize=(8, 2.6), layout="constrained")
colours = plt.matplotlib.colors.ListedColormap(["#0072B2", "#D55E00"])
for number, ax in enumerate(axes.flat):
    pattern = 1 - 2 * np.array([[number >> 3 & 1, number >> 2 & 1], [number >> 1 & 1, number & 1]])
    ax.imshow(pattern, cmap=colours, vmin=-1, vmax=1)
    ax.set(xticks=[], yticks=[])
    sigmoid, tanh = (pattern in reachable_patterns(2, 2, positive) for positive in (True, False))
    ax.spines[:].set(visible=tanh, linewidth=5, color="#BBBBBB" if sigmoid else "black")
fig.suptitle("grey frame: sigmoid and tanh; black frame: tanh alone; no frame: a batch", fontsize=11)
show_or_save()
