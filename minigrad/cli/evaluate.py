"""minigrad evaluate: loss and accuracy of a saved net."""

import minigrad as mg

from ..datasets.features import Classes
from .options import add_data
from .quality import check_fit, load_data, loss_for, print_classes, print_quality
from .tables import is_table, known_net, loss_of, read_for

SUMMARY = "Loss and accuracy of a saved net"
EXAMPLES = """\
  minigrad evaluate net.npz --data digits
  minigrad evaluate net.npz --data new.csv     a table with the columns that the net was trained on, and its target"""


def add_options(parser):
    """The options of the command."""
    parser.add_argument("net", metavar="FILE", help="a net saved with `minigrad train --save` or mg.save")
    add_data(parser)


def run(args):
    """Print both for both halves of a data set; for a table, and of each class."""
    if is_table(args.data):
        return evaluate_table(args)
    net = mg.load(args.net).eval()
    x, y, x_test, y_test = load_data(args.data)
    loss = loss_for(net, check_fit(net, args.net, x, max(y.max(), y_test.max()) + 1, args.data))
    print_quality("train", net, loss, x, y)
    print_quality("test", net, loss, x_test, y_test)
    return 0


def evaluate_table(args):
    """Print how good a net is on all rows of a table."""
    net, encoder = known_net(args.net)
    table = read_for(encoder, args.data, encoder.target.columns)
    if len(table) == 0:
        raise ValueError(f"{args.data} has the names of its columns but no rows")
    x, y = encoder.inputs(table), encoder.targets(table)
    print_quality("all", net, loss_of(encoder), x, y, encoder)
    if isinstance(encoder.target, Classes):
        print_classes(net(x), y, encoder.target.names)
    return 0
