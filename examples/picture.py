"""How every example ends: its picture in a window; in a file where a name was given, or where there is no screen."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt


def show_or_save():
    """Show the picture that was drawn. `python examples/xor.py my.png` saves it as my.png; says what it did."""
    script = Path(sys.argv[0])
    in_a_notebook = "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None
    if len(sys.argv) > 1 and not in_a_notebook:  # a notebook's arguments are its kernel's
        name = sys.argv[1]
    elif not in_a_notebook and plt.get_backend().lower() in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template"):
        name = f"{script.stem}.png"
    else:
        plt.show()
        return
    with open(name, "wb") as file:  # given a name, matplotlib would add a suffix
        plt.savefig(file, format=Path(name).suffix[1:] or "png")
    print(f"the picture: {Path(name).absolute()}")
