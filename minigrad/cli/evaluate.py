"""minigrad evaluate: loss and accuracy of a saved net."""

import minigrad as mg

from .options import add_data
from .quality import check_fit, load_data, loss_for, print_quality

SUMMARY = "Loss and accuracy of a saved net"
EXAMPLES = "  minigrad evaluate net.npz --data digits"


def add_options(parser):
    """The options of the command."""
    parser.add_argument("net", metavar="FILE", help="a net saved with `minigrad train --save` or mg.save")
    add_data(parser)


def run(args):
    """Print both for both halves of the data."""
    net = mg.load(args.net).eval()
    x, y, x_test, y_test = load_data(args.data)
    loss = loss_for(net, check_fit(net, args.net, x, max(y.max(), y_test.max()) + 1, args.data))
    print_quality(net, loss, (x, y), (x_test, y_test))
    return 0
