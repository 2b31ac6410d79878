"""Which labels are wrong? The gradient of each image, from a PyTorch model as it is, says so.

It needs PyTorch: pip install torch. Run it as it is to see the picture, or with a file name to save it:
python examples/torch_model.py picture.png
"""

# %% Digits, 30 of which get a wrong label, and a small convolutional net in PyTorch
import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg

try:
    import torch
    from torch import nn

    from minigrad.bridges.torch import capture
except ImportError as error:
    raise SystemExit(f"This example needs PyTorch: pip install torch ({error})") from None

images, labels, _, _ = mg.datasets.load("digits")
rng = np.random.default_rng(0)
wrong = np.zeros(len(labels), bool)
wrong[rng.choice(len(labels), 30, replace=False)] = True
given = np.where(wrong, (labels + rng.integers(1, 10, len(labels))) % 10, labels)
x = torch.tensor(images.reshape(-1, 1, 8, 8) / 16, dtype=torch.float32)  # PyTorch has the channels as axis 1
y = torch.tensor(given)

torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(144, 10))
loss = nn.CrossEntropyLoss()
opt = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(60):
    opt.zero_grad()
    loss(model(x), y).backward()
    opt.step()

# %% One forward and one backward pass keep delta and a of each layer; the gradient of each image comes of them
c = capture(model, loss, x, y)
norms = np.sqrt(sum(np.square(g.per_sample_norms()) for g in c.gradients.values()))
order = np.argsort(-norms)
print(f"{', '.join(c.gradients)}: within {c.worst_error:.0e} of PyTorch's gradient")
print(f"of the 30 images with the largest gradients, {wrong[order[:30]].sum()} have a wrong label")

# %% The gradients by size, and the images that pull hardest
figure, axes = plt.subplot_mosaic([["sizes"] * 8, list("abcdefgh")], figsize=(8, 5), layout="constrained")
axes["sizes"].bar(range(90), norms[order[:90]], color=np.where(wrong[order[:90]], "#E69F00", "#999999"), width=1)
axes["sizes"].set(
    xlabel="images, by the size of their gradient", ylabel="|gradient|", title="orange: the label is wrong"
)
for name, i in zip("abcdefgh", order, strict=False):
    axes[name].imshow(images[i].reshape(8, 8), cmap="gray_r")
    axes[name].set_title(f"'{given[i]}'", color="#B27A00" if wrong[i] else "#444444")
    axes[name].set_axis_off()
show_or_save()
