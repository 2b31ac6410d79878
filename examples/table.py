"""A table of one's own, from the file to the answers: which of its columns does a net need?

Run it as it is to see the picture, or with a file name to save it: python examples/table.py picture.png
"""

# %% A file as a bicycle shop might keep it: numbers, words, true and false, and what is to be learned
import csv
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg

rng = np.random.default_rng(0)
temperature, wind = rng.uniform(-5, 32, 600).round(1), rng.gamma(2, 6, 600).round(1)
sky, holiday = rng.choice(["clear", "cloudy", "rain"], 600), rng.choice(["true", "false"], 600, p=[0.3, 0.7])
wish = 6 * temperature - 0.12 * (temperature - 22) ** 2 - wind + 25 * (holiday == "true")
lent = np.maximum(0, wish * np.where(sky == "rain", 0.3, 1) + 30 + rng.normal(0, 6, 600)).astype(int)
path = Path(tempfile.mkdtemp()) / "shop.csv"
with open(path, "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["temperature", "wind", "sky", "holiday", "till", "lent"])
    writer.writerows(zip(temperature, wind, sky, holiday, rng.integers(1, 4, 600), lent, strict=True))

# %% Numbers are standardised, words one-hot, and a fifth of the rows is kept to test on
x, y, x_test, y_test, encoder = mg.datasets.load_table(path, "lent", rng=0)
print(f"{len(x)} rows to train on, {len(x_test)} to test on; {encoder.width} inputs of {len(encoder.features)} columns")
net = mg.mlp([encoder.width, 32, encoder.outputs], activation="tanh", rng=0)
mg.fit(net, mg.MSELoss(), mg.Adam(lr=0.01), x, y, epochs=60, rng=0, progress=False)
mg.save(net, path.with_suffix(".npz"), encoder=encoder)  # what `minigrad predict shop.npz shop.csv` reads


# %% The error in bicycles, and what it becomes when one column is shuffled among the rows
def error(inputs):
    """How far the answers are off, as root mean square."""
    return np.sqrt(np.mean((encoder.answers(net(inputs)) - encoder.answers(y_test)) ** 2))


names, errors, start = [], [], 0
for feature in encoder.features:
    shuffled, column = x_test.copy(), slice(start, start + feature.width)
    shuffled[:, column] = rng.permutation(x_test[:, column])
    names, errors, start = [*names, feature.name], [*errors, error(shuffled)], start + feature.width
print(f"off by {error(x_test):.1f} bicycles; without sense in a column, by")
print(", ".join(f"{value:.1f} ({name})" for name, value in zip(names, errors, strict=True)))

# %% The picture
_, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.plot(encoder.answers(y_test), encoder.answers(net(x_test)), "o", color="#555555", markersize=4)
left.axline((0, 0), slope=1, color="#999999", linewidth=1, zorder=0)
left.set(xlabel="bicycles lent", ylabel="the net's answer", title="120 days that it had not seen")
right.barh(names[::-1], errors[::-1], color="#555555")
right.axvline(error(x_test), color="#999999", linestyle="--")
right.set(xlabel="error in bicycles (dashed: all columns as they are)", title="One column shuffled")
show_or_save()
