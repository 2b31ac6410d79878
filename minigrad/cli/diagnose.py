"""minigrad diagnose: why a net does not learn."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import numpy as np

import minigrad as mg

from ..diagnosis.text import as_text, wants_colour
from ..files.archive import check_target
from ..losses import Loss
from .quality import check_fit, loss_for, targets_for
from .setup import add_training, check_training, new_net, optimizer, training_data
from .tables import is_table, known_net, loss_of, read_for, refuse_scale, refuse_table_options

SUMMARY = "Say whether a net will learn, and if not, why, and what helps"
EXAMPLES = """\
  minigrad diagnose --data digits --lr 500            what is wrong with this learning rate?
  minigrad diagnose --hidden 32,32,32,32,32 --try     train with each remedy, and see what it gains
  minigrad diagnose --net net.npz --html why.html     a saved net; the findings as a page with pictures

The options are those of `minigrad train`. Exit status: 0 no fault, 1 a fault found (or an error), 2 wrong usage."""

NEW = {"activation": "sigmoid", "init": "glorot_uniform"}  # of a net that is not read from a file


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_training(parser)
    parser.set_defaults(activation=None, init=None)  # told from those that were given; see `complete`
    text = "a net saved with `minigrad train --save` or mg.save, in place of a new one; --scale is then none"
    parser.add_argument("--net", metavar="FILE", help=text)
    parser.add_argument("--try", action="store_true", dest="try_remedies", help="train with each remedy, three seeds")
    parser.add_argument("--json", action="store_true", help="print JSON in place of text")
    parser.add_argument("--html", metavar="FILE", help="also write the findings there, as a page with pictures")


def complete(args: Any) -> None:
    """Wrong usage where options contradict each other; else the defaults that depend on --net."""
    check_training(args)
    if args.epochs == 0:
        args.usage_error("argument --epochs: expected a whole number from 1, got '0'")
    given = [name for name in ("hidden", "activation", "init") if getattr(args, name) is not None]
    if args.net is not None and given:
        args.usage_error(f"--{given[0]} is of a new net, --net {args.net} is one already")
    if args.net is not None:
        refuse_table_options(args, f"and --net {args.net} knows its own")
    if args.net is not None and is_table(args.data):
        refuse_scale(args)
    elif args.net is not None and args.scale is None:
        args.scale = "none"
    for name, value in NEW.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def run(args: Any) -> int:
    """Diagnose, print, and tell a fault by the exit status."""
    complete(args)
    if args.html is not None:
        check_target(args.html)
    net, loss, x, y = setup(args)
    d = mg.diagnose(
        net, loss, x, y, optimizer(args, loss), batch_size=args.batch_size, epochs=args.epochs,
        try_remedies=args.try_remedies, rng=args.seed,
    )  # fmt: skip
    print(d.to_json() if args.json else as_text(d, wants_colour(sys.stdout, os.environ)))
    if args.html is not None:
        d.save_html(args.html)
    return 0 if d.ok else 1


def setup(args: Any) -> tuple[mg.Sequential, Loss, np.ndarray, np.ndarray]:
    """Net, loss, x and y: a new net on scaled data, or a saved one, which scales by itself, on the data as they are."""
    if args.net is None:
        data = training_data(args)
        return new_net(args, data), data.loss, data.x, data.y
    if is_table(args.data):
        net, encoder = known_net(args.net)
        table = read_for(encoder, args.data, encoder.target.columns)
        return net, loss_of(encoder), encoder.inputs(table), encoder.targets(table)
    net, data = mg.load(args.net), training_data(args)
    K = check_fit(net, args.net, data.x, data.outputs, args.data)
    loss = loss_for(net, K)
    return net, loss, data.x, targets_for(loss, K, data.y)
