"""Trains the spiral net with scikit-learn, by partial_fit: data file in, loss and accuracy out."""

import sys
import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier

data = np.load(sys.argv[1])
x, y = data["x"], data["y"]
net = MLPClassifier(
    (32, 32), activation="tanh", solver="sgd", learning_rate_init=float(data["lr"]),
    momentum=0, alpha=0, batch_size=32, shuffle=False,
)  # fmt: skip
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    net.partial_fit(x[:32], y[:32], classes=[0, 1, 2])  # makes the arrays that take the common first weights
for i, (weight, bias) in enumerate(zip(net.coefs_, net.intercepts_, strict=True)):
    weight[...], bias[...] = data[f"{2 * i}.weight"].T, data[f"{2 * i}.bias"]
rng = np.random.default_rng(0)
for _ in range(int(data["epochs"])):
    order = rng.permutation(len(x))
    net.partial_fit(x[order], y[order])
print(net.loss_, net.score(data["x_test"], data["y_test"]))
