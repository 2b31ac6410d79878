"""Train a net that reads handwritten digits, and look at the ones it gets wrong.

Run it as it is to see the picture, or with a file name to save it: python examples/digits.py picture.png
"""

# %% 1438 images of 8 x 8 pixels to learn from, 359 others to be judged by
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg

x, y, x_test, y_test = mg.datasets.load("digits")
x, x_test = x / 16, x_test / 16
net = mg.mlp([64, 32, 10], activation="tanh", rng=0)
net.summary()

# %% Train
opt = mg.SGD(lr=0.1, momentum=0.9)
history = mg.fit(net, mg.CrossEntropyLoss(), opt, x, y, epochs=20, rng=0, validation=(x_test, y_test))
print(f"right: {history.val_accuracy[0]:.1%} of the test images after the first epoch, ", end="")
print(f"{history.val_accuracy[-1]:.1%} after the last")

# %% The loss, and the images that the net is most wrong about
p = mg.softmax(net(x_test))
doubt = p[np.arange(len(y_test)), y_test]  # the probability it gives to the right answer
fig = plt.figure(figsize=(8, 4), layout="constrained")
left, right = fig.subfigures(1, 2, width_ratios=(1.2, 1))
history.plot(left.subplots())
for ax, n in zip(right.subplots(2, 2).flat, np.argsort(doubt), strict=False):
    ax.imshow(x_test[n].reshape(8, 8), cmap="gray_r")
    ax.set(xticks=[], yticks=[], title=f"is {y_test[n]}, read as {p[n].argmax()}")
show_or_save()
