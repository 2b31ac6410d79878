"""The first lines of the code to try at home, where several claims begin with the same net or data."""

SIGNS_NET = """\
import minigrad as mg
import numpy as np

x, y, _, _ = mg.datasets.load("digits")
net = mg.mlp([64, 32, 16, 10], activation="sigmoid", rng=0)
mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(lr=0.5, momentum=0.9), x / 16, y, epochs=15, rng=0)
"""

HUNDRED_DIGITS = """\
import minigrad as mg
import numpy as np

x, y, _, _ = mg.datasets.load("digits")
x, y = (x[:100] - x.mean(axis=0)) / (x.std(axis=0) + 1e-9), y[:100]
"""
