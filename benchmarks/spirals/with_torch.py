"""Trains the spiral net with PyTorch: data file in, loss and accuracy out."""

import sys

import numpy as np
import torch
from torch import nn

data = np.load(sys.argv[1])
x, y, x_test, y_test = (torch.from_numpy(data[name]) for name in ("x", "y", "x_test", "y_test"))
net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 3)).to(x.dtype)
net.load_state_dict({name: torch.from_numpy(data[name]) for name in net.state_dict()})
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=float(data["lr"]))
rng = np.random.default_rng(0)
for _ in range(int(data["epochs"])):
    losses = []
    for batch in torch.from_numpy(rng.permutation(len(x))).split(32):
        optimizer.zero_grad()
        loss = criterion(net(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
with torch.no_grad():
    accuracy = (net(x_test).argmax(1) == y_test).double().mean()
print(sum(losses) / len(losses), float(accuracy))
