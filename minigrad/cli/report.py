"""minigrad report: the claims about sigmoid, measured and drawn."""

import argparse
import os
from pathlib import Path

from ..studies import CLAIMS, Config
from .options import add_data, add_number, at_least
from .quality import load_data

SUMMARY = "Measure the claims about sigmoid and draw the answers"
EXAMPLES = """\
  minigrad report                      everything, into the folder report; then open report/index.html
  minigrad report --only Q2 --seed 7   one claim, with other random numbers
  minigrad report --full --jobs 4      more seeds and larger nets, on four processor cores"""


def add_options(parser):
    """The options of the command."""
    parser.add_argument(
        "--out", metavar="DIR", help="folder for the results (default: report; with --only Q7, report-Q7)"
    )
    parser.add_argument("--full", action="store_true", help="more seeds and larger nets: up to 10 minutes, not 1")
    parser.add_argument(
        "--only",
        type=claims,
        action="extend",
        metavar="Q",
        help=f"one claim of {', '.join(CLAIMS)}; or several, as Q2,Q7",
    )
    add_number(parser, "--seed", at_least(0), 0, "first seed")
    add_data(parser)
    parser.add_argument("--jobs", type=at_least(1), metavar="N", help="processes to use (default: one per core)")


def claims(text):
    """q2,Q7 -> ["Q2", "Q7"], if there are such claims."""
    asked = [part.strip().upper() for part in text.split(",")]
    for claim in asked:
        if claim not in CLAIMS:
            raise argparse.ArgumentTypeError(f"unknown claim {claim!r}, expected one of: {', '.join(CLAIMS)}")
    return asked


def run(args):
    """Measure them and write the page."""
    from ..report import make as reports  # here, because training needs none of it

    if not os.path.isdir(args.data):
        load_data(args.data)  # an unknown name is an error before any work
    config = Config(data=args.data, seed=args.seed, full=args.full, progress=True)
    out = args.out or "-".join(["report", *(args.only or [])])
    return reports.make(config, Path(out), args.only, args.jobs)
