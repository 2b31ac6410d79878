"""The command line: minigrad train, minigrad evaluate, minigrad report."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import minigrad as mg

from ..datasets import SCALES, scaling
from ..files.archive import check_target
from ..layers.activations import ACTIVATIONS
from ..layers.initializers import INITIALIZERS
from ..studies.finding import CLAIMS
from ..training.progress import say
from .quality import check_fit, load_data, loss_for, print_quality

RATES = {"sgd": 0.5, "rmsprop": 0.01, "adam": 0.01, "adamw": 0.01}  # learning rates good for digits


def main(argv=None):
    """Run one command. Returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    parser = build_parser()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # the name of a file need not be text
    try:
        args = parser.parse_args(argv)
        if args.command is None:
            say(parser.format_help().rstrip())
            return 2
        return {"train": train, "evaluate": evaluate, "report": report}[args.command](args)
    except KeyboardInterrupt:
        say("minigrad: interrupted")
        return 130
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, TypeError, OSError, ImportError, mg.DivergenceError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            text = f"{error.filename}: {error.strerror}"
        say(f"minigrad: {text}")
        return 1


# ---- the commands ----------------------------------------------------------------------------------------


def train(args):
    """Train a net, say how good it is, and show delta and a in each layer."""
    if args.momentum is not None and args.optimizer != "sgd":
        args.usage("--momentum goes with --optimizer sgd only")
    if args.resume is not None:
        if bool(args.resume) == bool(args.checkpoint) and args.resume != args.checkpoint:
            args.usage("--resume needs one FILE, its own or that of --checkpoint")
        args.checkpoint = args.resume or args.checkpoint
        if not Path(args.checkpoint).is_file():
            raise FileNotFoundError(f"{args.checkpoint}: there is no such file to go on from")
    both = args.save is not None and args.checkpoint is not None
    if both and os.path.realpath(args.save) == os.path.realpath(args.checkpoint):  # through links too
        args.usage(f"--save {args.save} and the checkpoint {args.checkpoint} are one file; give it two names")
    for path in (args.save, args.checkpoint):
        if path is not None:
            check_target(path)
    x, y, x_test, y_test = load_data(args.data)
    shift, spread = scaling(x, args.scale)
    x, x_test = (x - shift) / spread, (x_test - shift) / spread
    hidden = [32] if args.hidden is None else args.hidden
    sizes = [x.shape[1], *hidden, int(max(y.max(), y_test.max())) + 1]
    net = mg.mlp(sizes, activation=args.activation, init=args.init, rng=args.seed)
    loss, opt = mg.CrossEntropyLoss(), optimizer(args)
    print(f"{args.data}: {len(x)} samples to train on, {len(x_test)} to test on, {x.shape[1]} numbers each")
    print(f"net: {net!r}\nloss: {loss!r}, optimizer: {opt!r}")

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
    print_quality(net, loss, (x, y), (x_test, y_test))
    print_layers(net, loss, x, y, args.batch_size)
    if args.save is not None:
        fold(net, shift, spread)
        mg.save(net, args.save)
        note = "" if args.scale == "none" else f"; the scaling ({args.scale}) is now part of its first layer"
        print(f"\nsaved in {args.save}, to be given the data as they come{note}")
    return 0


def evaluate(args):
    """Loss and accuracy of a saved net."""
    net = mg.load(args.net).eval()
    x, y, x_test, y_test = load_data(args.data)
    loss = loss_for(net, check_fit(net, args.net, x, max(y.max(), y_test.max()) + 1, args.data))
    print_quality(net, loss, (x, y), (x_test, y_test))
    return 0


def report(args):
    """Measure the claims and write the report."""
    from ..report import make as reports
    from ..studies import Config

    if not os.path.isdir(args.data):
        load_data(args.data)  # an unknown name is an error before any work
    config = Config(data=args.data, seed=args.seed, full=args.full, progress=True)
    out = args.out or "-".join(["report", *(args.only or [])])
    return reports.make(config, Path(out), args.only, args.jobs)


# ---- parts -----------------------------------------------------------------------------------------------


def optimizer(args):
    """The optimizer that the options describe."""
    lr = RATES[args.optimizer] if args.lr is None else args.lr
    if args.optimizer == "sgd":
        return mg.SGD(lr=lr, momentum=args.momentum or 0.0)
    return {"rmsprop": mg.RMSprop, "adam": mg.Adam, "adamw": mg.AdamW}[args.optimizer](lr=lr)


def print_layers(net, loss, x, y, batch_size):
    """What goes on in each layer: |delta|, its input a, and how many rows of its gradient have one sign."""
    from ..diagnostics import single_signed_rows, single_signed_share, zero_rows

    def percent(share):
        return "all zero" if math.isnan(share) else f"{share:.1%}"

    print(LAYERS_TEXT.format(batch_size))
    print(f"{'layer':<22}{'|delta|':>9}{'mean a':>9}{'spread a':>11}{'one sample':>12}{'batch':>10}")
    for path, g in mg.backprop(net, loss, x, y).gradients.items():
        one = percent(single_signed_share(g, per_sample=True))
        single = moved = 0
        for i in range(0, len(x), batch_size):
            batch = mg.WeightGradient(g.delta[i : i + batch_size], g.a[i : i + batch_size])
            alive = ~zero_rows(batch)
            single, moved = single + single_signed_rows(batch)[alive].sum(), moved + alive.sum()
        many = percent(single / moved if moved else math.nan)
        name = f"{path} {net[int(path)]!r}"
        size = np.linalg.norm(g.delta, axis=1).mean()
        spread = math.sqrt(g.a.var(axis=0).mean())
        print(f"{name:<22}{size:>9.3g}{g.a.mean():>9.3f}{spread:>11.3g}{one:>12}{many:>10}")


LAYERS_TEXT = """
Each layer, on the training data: the size of the error delta (mean of |delta| over the samples), the mean of the
input a, its spread over the samples (the standard deviation of each unit, as root mean square of the units), and of
the rows of the gradient (a row: the weights into one neuron) that are not zero, the share whose entries all have one
sign, in the gradient of one sample and in that of a batch of {}.
"""


def fold(net, shift, spread):
    """Change the first layer so that net(x) is what net((x - shift) / spread) was: W (x - m) / s + b."""
    first = net[0]
    first.weight /= spread
    first.bias -= first.weight @ shift


# ---- the options -----------------------------------------------------------------------------------------


def build_parser():
    """All commands and options."""
    parser = argparse.ArgumentParser(
        prog="minigrad",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Small neural networks in which every gradient can be seen: an error signal times an activation.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"minigrad {mg.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def command(name, text, examples):
        new = commands.add_parser(
            name,
            help=text[0].lower() + text[1:],
            description=f"{text}.",
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        new.set_defaults(usage=new.error)
        return new

    train_options(command("train", "Train a net, and see delta and a in each of its layers", TRAIN_EXAMPLES))
    new = command("evaluate", "Loss and accuracy of a saved net", "  minigrad evaluate net.npz --data digits")
    new.add_argument("net", metavar="FILE", help="a net saved with `minigrad train --save` or mg.save")
    add_data(new)
    report_options(command("report", "Measure the claims about sigmoid and draw the answers", REPORT_EXAMPLES))
    return parser


EXAMPLES = """\
examples:
  minigrad train --data digits --hidden 32 --save net.npz    learn to read handwritten digits
  minigrad evaluate net.npz --data digits                    how good is the saved net?
  minigrad report                                            is sigmoid to blame? measured and drawn

`minigrad COMMAND --help` tells more about each."""

TRAIN_EXAMPLES = """\
  minigrad train --data digits --hidden 32 --activation sigmoid --epochs 30 --save net.npz
  minigrad train --data moons --hidden 16,16 --activation tanh --optimizer adam
  minigrad train --data digits --scale standard     every input centred: fewer rows of a single sign
  minigrad train --data ./mnist --hidden 100        a folder with MNIST's four files"""

REPORT_EXAMPLES = """\
  minigrad report                      everything, into the folder report; then open report/index.html
  minigrad report --only Q2 --seed 7   one claim, with other random numbers
  minigrad report --full --jobs 4      more seeds and larger nets, on four processor cores"""


def train_options(new):
    def choice(name, known, default, text):
        text = f"{text.format(', '.join(known))} (default: {default})"
        new.add_argument(name, choices=list(known), default=default, metavar="NAME", help=text)

    add_data(new)
    new.add_argument(
        "--hidden",
        type=widths,
        action="extend",
        metavar="N",
        help="neurons of the hidden layers: 32, or 64,32 for two layers, 0 for none (default: 32)",
    )
    choice("--activation", ACTIVATIONS, "sigmoid", "of the hidden neurons: {}")
    choice(
        "--init",
        (*INITIALIZERS, "tanh_equivalent"),
        "glorot_uniform",
        "first weights: {}; the last starts a sigmoid net where a tanh net would start",
    )
    choice("--optimizer", RATES, "sgd", "how weights follow the gradient: {}")
    new.add_argument(
        "--lr",
        type=positive,
        metavar="X",
        help="learning rate, the length of a step (default: 0.5 for sgd, 0.01 for the others)",
    )
    new.add_argument(
        "--momentum", type=share, metavar="X", help="momentum of sgd, 0 to below 1, often 0.9 (default: 0)"
    )
    new.add_argument("--epochs", type=at_least(0), default=30, metavar="N", help="times through the data (default: 30)")
    new.add_argument(
        "--batch-size",
        type=at_least(1),
        default=32,
        metavar="N",
        help="samples whose gradients are averaged for one step (default: 32)",
    )
    new.add_argument(
        "--seed",
        type=at_least(0),
        default=0,
        metavar="N",
        help="start of the random numbers; the same seed gives the same net (default: 0)",
    )
    choice(
        "--scale",
        SCALES,
        "unit",
        "of the data: {}; unit moves all values into 0 to 1, standard each feature to mean 0 and spread 1. A saved net "
        "does it by itself",
    )
    new.add_argument("--save", metavar="FILE", help="write the trained net there (a .npz file)")
    new.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="write the state there after each epoch; the same command goes on from it after a break",
    )
    new.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="FILE",
        help="as --checkpoint, for a FILE that must be there already (default: that of --checkpoint)",
    )


def report_options(new):
    new.add_argument("--out", metavar="DIR", help="folder for the results (default: report; with --only Q7, report-Q7)")
    new.add_argument("--full", action="store_true", help="more seeds and larger nets: up to 10 minutes, not 1")
    new.add_argument(
        "--only",
        type=claims,
        action="extend",
        metavar="Q",
        help=f"one claim of {', '.join(CLAIMS)}; or several, as Q2,Q7",
    )
    new.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="first seed (default: 0)")
    add_data(new)
    new.add_argument("--jobs", type=at_least(1), metavar="N", help="processes to use (default: one per core)")


def add_data(new):
    names = ", ".join(mg.datasets.NAMES)
    new.add_argument(
        "--data",
        default="digits",
        metavar="NAME",
        help=f"{names}, or a folder with MNIST's files (default: digits)",
    )


# ---- what an option may be -------------------------------------------------------------------------------


def at_least(least):
    """A type for argparse: whole numbers from `least`."""

    def whole(text):
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least}, got {text!r}")
        return int(text)

    return whole


def widths(text):
    """64,32 -> [64, 32]; 0 -> [], no hidden layer."""
    sizes = [at_least(0)(part.strip()) for part in text.split(",")]
    if sizes == [0]:
        return []
    return [at_least(1)(str(size)) for size in sizes]


def real(text):
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None


def positive(text):
    if not 0 < real(text) < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return real(text)


def share(text):
    if not 0 <= real(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to below 1, got {text!r}")
    return real(text)


def claims(text):
    """q2,Q7 -> ["Q2", "Q7"], if there are studies of them."""
    from ..studies import STUDIES

    asked = [part.strip().upper() for part in text.split(",")]
    known = [claim for claim in CLAIMS if any(claim in study.claims for study in STUDIES.values())]
    for claim in asked:
        if claim not in known:
            raise argparse.ArgumentTypeError(f"unknown claim {claim!r}, expected one of: {', '.join(known)}")
    return asked
