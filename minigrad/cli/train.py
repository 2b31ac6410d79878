"""minigrad train: train a net, and show delta and a in each of its layers."""

import copy
import math
import os
import time
import warnings
from pathlib import Path

import numpy as np

import minigrad as mg

from ..diagnosis.text import verdict
from ..diagnostics import single_signed_rows, single_signed_share, zero_rows
from ..files.archive import check_target
from ..training.progress import say
from .quality import print_quality
from .setup import add_training, check_training, new_net, optimizer, training_data
from .tables import described

SUMMARY = "Train a net, and see delta and a in each of its layers"
EXAMPLES = """\
  minigrad train --data digits --hidden 32 --activation sigmoid --epochs 30 --save net.npz
  minigrad train --data moons --hidden 16,16 --activation tanh --optimizer adam
  minigrad train --data digits --scale standard     every input centred: fewer rows of a single sign
  minigrad train --data ./mnist --hidden 100        a folder with MNIST's four files
  minigrad train --data mine.csv --target species   a table of your own; the column to be learned"""


# ---- the options -----------------------------------------------------------------------------------------


def add_options(parser):
    """The options of the command."""
    add_training(parser)
    text = "first say whether the net will learn, and if not, why; `minigrad diagnose` says more"
    parser.add_argument("--diagnose", action="store_true", help=text)
    add_files(parser)


def add_files(parser):
    """The options that name files."""
    parser.add_argument("--save", metavar="FILE", help="write the trained net there (a .npz file)")
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="write the state there after each epoch; the same command goes on from it after a break",
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="FILE",
        help="as --checkpoint, for a FILE that must be there already (default: that of --checkpoint)",
    )


# ---- the command -----------------------------------------------------------------------------------------


def run(args):
    """Train a net, say how good it is, and show delta and a in each layer."""
    check_options(args)
    data = training_data(args)
    net, loss, opt = new_net(args, data), data.loss, optimizer(args, data.loss)
    numbers = f"{data.x.shape[1]} numbers each"
    print(f"{args.data}: {len(data.x)} samples to train on, {len(data.x_test)} to test on, {numbers}")
    if data.encoder is not None:
        print(described(data.encoder))
    print(f"net: {net!r}\nloss: {loss!r}, optimizer: {opt!r}")
    if args.diagnose and args.epochs > 0:
        settings = {"batch_size": args.batch_size, "epochs": args.epochs, "rng": args.seed}
        print(f"diagnosis: {verdict(mg.diagnose(net, loss, data.x, data.y, opt, **settings))}")
    train(args, net, loss, opt, data.x, data.y)
    for name, (x, y) in data.parts.items():
        print_quality(name, net, loss, x, y, data.encoder)
    note = "" if args.save is None else save(args, net, data)  # now: whoever reads the table may go away
    print_layers(net, loss, data.x, data.y, args.batch_size)
    if args.save is not None:
        print(f"\nsaved in {args.save}, to be given the data as they come{note}")
    return 0


def save(args, net, data):
    """Write the net, which will take the data as they come -> what is to be said of that."""
    if data.encoder is not None:
        mg.save(net, args.save, encoder=data.encoder)
        return f": minigrad predict {args.save} FILE"
    whole = copy.deepcopy(net)
    fold(whole, data.shift, data.spread)
    mg.save(whole, args.save)
    scale = args.scale or "unit"
    return "" if scale == "none" else f"; the scaling ({scale}) is now part of its first layer"


def check_options(args):
    """An error, before any work, where two options contradict each other or a file cannot be what it should be."""
    check_training(args)
    if args.resume is not None:
        if bool(args.resume) == bool(args.checkpoint) and args.resume != args.checkpoint:
            args.usage_error("--resume needs one FILE, its own or that of --checkpoint")
        args.checkpoint = args.resume or args.checkpoint
        if not Path(args.checkpoint).is_file():
            raise FileNotFoundError(f"{args.checkpoint}: there is no such file to go on from")
    two_files = args.save is not None and args.checkpoint is not None
    if two_files and os.path.realpath(args.save) == os.path.realpath(args.checkpoint):  # through links too
        args.usage_error(f"--save {args.save} and the checkpoint {args.checkpoint} are one file; give it two names")
    for path in (args.save, args.checkpoint):
        if path is not None:
            check_target(path)


def train(args, net, loss, opt, x, y):
    """Train the net, from the checkpoint on where there is one, and say how long it took."""
    if args.checkpoint is not None and Path(args.checkpoint).exists():
        print(f"going on from {args.checkpoint}")
    start = time.perf_counter()
    settings = {"epochs": args.epochs, "batch_size": args.batch_size, "rng": args.seed, "checkpoint": args.checkpoint}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = mg.fit(net, loss, opt, x, y, **settings)
    for warning in caught:
        say(f"minigrad: warning: {warning.message}")
    seconds = time.perf_counter() - start
    last = f", mean loss of the last {history.loss[-1]:.4g}" if history.loss else ""
    print(f"{len(history)} epochs, {seconds:.1f} s{last}")


def fold(net, shift, spread):
    """Change the first layer so that net(x) is what net((x - shift) / spread) was: W (x - m) / s + b."""
    first = net[0]
    first.weight /= spread
    first.bias -= first.weight @ shift


# ---- the table of layers ---------------------------------------------------------------------------------

LAYERS_TEXT = """
Each layer, on the training data: the size of the error delta (mean of |delta| over the samples), the mean of the
input a, its spread over the samples (the standard deviation of each unit, as root mean square of the units), and of
the rows of the gradient (a row: the weights into one neuron) that are not zero, the share whose entries all have one
sign, in the gradient of one sample and in that of a batch of {}.
"""


def print_layers(net, loss, x, y, batch_size):
    """What goes on in each layer: |delta|, its input a, and how many rows of its gradient have one sign."""
    print(LAYERS_TEXT.format(batch_size))
    print(f"{'layer':<22}{'|delta|':>9}{'mean a':>9}{'spread a':>11}{'one sample':>12}{'batch':>10}")
    for path, g in mg.backprop(net, loss, x, y).gradients.items():
        one, many = percent(single_signed_share(g, per_sample=True)), percent(share_in_batches(g, batch_size))
        name = f"{path} {net[int(path)]!r}"
        size = np.linalg.norm(g.delta, axis=1).mean()
        spread = math.sqrt(g.a.var(axis=0).mean())
        print(f"{name:<22}{size:>9.3g}{g.a.mean():>9.3f}{spread:>11.3g}{one:>12}{many:>10}")


def share_in_batches(g, batch_size):
    """The share of single-signed rows among those that are not zero, in the gradients of batches; NaN where all are."""
    single = moved = 0
    for i in range(0, len(g.a), batch_size):
        batch = mg.WeightGradient(g.delta[i : i + batch_size], g.a[i : i + batch_size])
        alive = ~zero_rows(batch)
        single, moved = single + single_signed_rows(batch)[alive].sum(), moved + alive.sum()
    return single / moved if moved else math.nan


def percent(share):
    """A share for people; NaN is that of no rows."""
    return "all zero" if math.isnan(share) else f"{share:.1%}"
