"""Trains the spiral net with minigrad: data file in, loss and accuracy out."""

import sys

import numpy as np

import minigrad as mg

data = np.load(sys.argv[1])
x, y = data["x"], data["y"]
net = mg.mlp([2, 32, 32, 3], activation="tanh", dtype=x.dtype)
net.load_state_dict({name: data[name] for name in net.state_dict()})
opt = mg.SGD(lr=float(data["lr"]))
history = mg.fit(
    net, mg.CrossEntropyLoss(), opt, x, y, epochs=int(data["epochs"]), batch_size=32, rng=0, progress=False
)
print(history.loss[-1], mg.accuracy(net(data["x_test"]), data["y_test"]))
