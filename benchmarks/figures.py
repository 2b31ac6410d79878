"""Draws the two figures of docs/performance.md from the JSON files that steps.py and width_depth.py wrote.

python benchmarks/figures.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
from peers import LABELS, RIVALS
from timing import read
from workloads import DTYPES, WORKLOADS

IMAGES = Path(__file__).parent.parent / "docs" / "img"
GREY, GREEN, PINK, ORANGE, PALE = "#444444", "#009E73", "#CC79A7", "#E69F00", "#F0F0F0"
# A library has one colour; the second way to use it is drawn open, or dashed.
STYLES = {
    "jax_scan": (GREEN, "o", GREEN, "-"),
    "jax_jit": (GREEN, "o", "white", "--"),
    "torch": (PINK, "s", PINK, "-"),
    "torch_tuned": (PINK, "s", "white", "-"),
    "sklearn": (ORANGE, "^", ORANGE, "-"),
    "numpy": (GREY, "D", "white", "--"),
    "floor": (GREY, "", "none", ":"),
    "ours": ("black", "o", "black", "-"),
}


def speedups(results):
    """How many times as long every rival takes, by workload: one panel for each dtype."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True, layout="constrained")
    for ax, dtype in zip(axes, DTYPES, strict=True):
        for row, name in enumerate(WORKLOADS):
            times = results[f"{name} {dtype}"]
            for i, rival in enumerate(RIVALS):
                color, marker, face, _ = STYLES[rival]
                height = row + 0.12 * (i - (len(RIVALS) - 1) / 2)
                label = LABELS[rival] if row == 0 else None
                ax.plot(times[rival] / times["ours"], height, marker, color=color, mfc=face, label=label)
        ax.axvline(1, color=GREY)
        for row in range(1, len(WORKLOADS), 2):
            ax.axhspan(row - 0.5, row + 0.5, color=PALE, zorder=-1)
        ax.set(xscale="log", title=dtype, xlabel="time per step, divided by minigrad's (log scale)")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_yticks(range(len(WORKLOADS)), WORKLOADS)
        ax.set_ylim(len(WORKLOADS) - 0.5, -0.5)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def scaling(results):
    """Time per step against width and depth, with the bare products as a line; one row for each dtype."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    for row, dtype in zip(axes, DTYPES, strict=True):
        for ax, against in zip(row, ("width", "depth"), strict=True):
            points = [r for r in results if r["against"] == against and r["dtype"] == dtype]
            for name in points[0]["microseconds"]:
                color, marker, face, line = STYLES[name]
                ax.plot(
                    [r["value"] for r in points], [r["microseconds"][name] for r in points], marker + line,
                    color=color, markerfacecolor=face, markersize=4, label=LABELS[name],
                )  # fmt: skip
            ax.set(xscale="log", yscale="log", title=f"{against}, {dtype}")
            ax.set_xlabel("width of the two hidden layers" if against == "width" else "linear layers, 32 wide")
            ax.set_ylabel("µs per step, batch 32")
            values = [r["value"] for r in points]
            ax.set_xticks(values, values)
            ax.yaxis.set_major_formatter("{x:,.0f}")
            ax.minorticks_off()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def main():
    """Draw speedups.png and scaling.png into docs/img/."""
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, figure in (("speedups", speedups(read("steps"))), ("scaling", scaling(read("width_depth")))):
        figure.savefig(IMAGES / f"{name}.png", dpi=120, metadata={"Software": None})
        print(f"drawn: docs/img/{name}.png")


if __name__ == "__main__":
    main()
