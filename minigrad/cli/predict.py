"""minigrad predict: what a saved net says of the rows of a table."""

import csv
import io
import sys

import minigrad as mg

from ..datasets.features import Classes
from ..files.archive import check_target, replacing
from .tables import known_net, read_for

SUMMARY = "Answers of a saved net to the rows of a table"
EXAMPLES = """\
  minigrad train --data mine.csv --target species --save net.npz
  minigrad predict net.npz new.csv                  a line for each row: its class, or its number
  minigrad predict net.npz new.csv --out answers.txt
  minigrad predict net.npz new.csv --probabilities  a column for each class, as CSV"""


def add_options(parser):
    """The options of the command."""
    parser.add_argument("net", metavar="NET", help="a net saved with `minigrad train --data TABLE --save NET`")
    parser.add_argument("table", metavar="TABLE", help="a table with its columns, in any order; others are not used")
    parser.add_argument("--out", metavar="FILE", help="write there, whole or not at all, in place of standard output")
    parser.add_argument("--probabilities", action="store_true", help="the probability of each class, below their names")


def run(args):
    """Write an answer for each row."""
    if args.out is not None:
        check_target(args.out)
    net, encoder = known_net(args.net)
    if args.probabilities and not isinstance(encoder.target, Classes):
        raise ValueError(f"--probabilities goes with classes, {args.net} learned numbers")
    text = lines(net(encoder.inputs(read_for(encoder, args.table))), encoder, args.probabilities)
    if args.out is None:
        sys.stdout.write(text)
    else:
        with replacing(args.out) as file:
            file.write(text.encode())
    return 0


def lines(output, encoder, probabilities):
    """The answers as text: a class a line, or a number in all its digits, or several of these with commas between."""
    if probabilities:
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\n")
        writer.writerow(encoder.target.names)
        writer.writerows(mg.softmax(output).tolist())
        return written.getvalue()
    answers = encoder.answers(output)
    if isinstance(answers, list):
        return "".join(f"{answer}\n" for answer in answers)
    return "".join(f"{','.join(map(repr, row))}\n" for row in answers.tolist())
