"""Does a net say the same outside of Python? Two spirals, learnt here, and answered by onnxruntime from a file.

It needs onnx and onnxruntime: pip install onnx onnxruntime. Run it as it is to see the picture, or with a file name to
save it: python examples/onnx_export.py picture.png
"""

# %% A net that tells two spirals apart
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from picture import show_or_save

import minigrad as mg

try:
    import onnxruntime

    from minigrad.bridges.onnx import export
except ImportError as error:
    raise SystemExit(f"This example needs onnx and onnxruntime ({error})") from None

x, y = mg.datasets.spirals(200, classes=2, turns=1.5, rng=0)
net = mg.mlp([2, 32, 32, 2], activation="gelu", rng=0)
mg.fit(net, mg.CrossEntropyLoss(), mg.Adam(lr=0.01), x, y, epochs=150, rng=0, progress=False)
print(f"right in minigrad: {mg.accuracy(net(x), y):.0%}")

# %% The file: any number of points (N, 2) go in, two logits for each come out
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "spirals.onnx"
    export(net, file)
    print(f"spirals.onnx: {file.stat().st_size:,} bytes")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

# %% What both say between the points
grid = np.linspace(-1.2, 1.2, 200)
points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
ours = mg.softmax(net(points))[:, 1]
theirs = mg.softmax(session.run(None, {"x": points.astype(np.float32)})[0])[:, 1]
print(f"largest difference between 40,000 answers: {abs(ours - theirs).max():.1e}")

# %% Side by side, and their difference: float32 there, float64 here
colours = plt.matplotlib.colors.LinearSegmentedColormap.from_list("signs", ["#0072B2", "#F0F0F0", "#D55E00"])
figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained", sharey=True)
pictures = [("minigrad, float64", ours, 0, 1), ("onnxruntime, float32", theirs, 0, 1)]
span = np.quantile(abs(theirs - ours), 0.99)  # the last percent would hide the rest
pictures += [("onnxruntime less minigrad", theirs - ours, -span, span)]
for axis, (title, said, low, high) in zip(axes, pictures, strict=True):
    extent = (-1.2, 1.2, -1.2, 1.2)
    image = axis.imshow(said.reshape(200, 200), extent=extent, origin="lower", cmap=colours, vmin=low, vmax=high)
    axis.set_title(title)
    figure.colorbar(image, ax=axis, extend="neither" if high == 1 else "both")
for axis in axes[:2]:
    axis.scatter(*x.T, s=6, c=y, cmap=colours, edgecolors="black", linewidths=0.4)
show_or_save()
