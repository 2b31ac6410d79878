"""What an option may be: types for argparse, and the options that several commands share."""

import argparse
import math

from .. import datasets


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
    """Any number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None


def positive(text):
    """A number above 0."""
    if not 0 < real(text) < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return real(text)


def share(text):
    """A number from 0 to below 1."""
    if not 0 <= real(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to below 1, got {text!r}")
    return real(text)


def add_choice(parser, name, known, default, text):
    """An option that is one of the words in `known`; {} in its help text becomes the list of them."""
    text = f"{text.format(', '.join(known))} (default: {default})"
    parser.add_argument(name, choices=list(known), default=default, metavar="NAME", help=text)


def add_number(parser, name, kind, default, text):
    """An option that is a whole number, with its default in the help text."""
    parser.add_argument(name, type=kind, default=default, metavar="N", help=f"{text} (default: {default})")


def add_data(parser):
    """--data, the same for every command."""
    names = ", ".join(datasets.NAMES)
    parser.add_argument(
        "--data",
        default="digits",
        metavar="NAME",
        help=f"{names}, or a folder with MNIST's files (default: digits)",
    )
