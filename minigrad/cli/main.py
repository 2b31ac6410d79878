"""The command line: minigrad train, evaluate, predict, diagnose, report and play."""

from __future__ import annotations

import argparse
import os
import sys

import minigrad as mg

from ..training.progress import say
from . import diagnose, evaluate, play, predict, report, train

COMMANDS = {
    "train": train, "evaluate": evaluate, "predict": predict, "diagnose": diagnose, "report": report, "play": play
}  # fmt: skip

EXAMPLES = """\
examples:
  minigrad train --data digits --hidden 32 --save net.npz    learn to read handwritten digits
  minigrad evaluate net.npz --data digits                    how good is the saved net?
  minigrad train --data mine.csv --target species            learn a column of a table of your own
  minigrad diagnose --data digits --lr 500                   why does it not learn?
  minigrad report                                            is sigmoid to blame? measured and drawn
  minigrad play                                              sliders, in the browser

`minigrad COMMAND --help` tells more about each."""


def main(argv=None):
    """Run one command. Returns the exit code: 0 done, 1 failed or a fault found, 2 wrong usage, 130 interrupted."""
    parser = build_parser()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # the name of a file need not be text
    try:
        args = parser.parse_args(argv)
        if args.command is None:
            say(parser.format_help().rstrip())
            return 2
        return COMMANDS[args.command].run(args)
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


def build_parser():
    """All commands and options. A command is a module with SUMMARY, EXAMPLES, add_options(parser) and run(args)."""
    parser = argparse.ArgumentParser(
        prog="minigrad",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Small neural networks in which every gradient can be seen: an error signal times an activation.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"minigrad {mg.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, command in COMMANDS.items():
        new = commands.add_parser(
            name,
            help=command.SUMMARY[0].lower() + command.SUMMARY[1:],
            description=f"{command.SUMMARY}.",
            epilog=f"examples:\n{command.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        new.set_defaults(usage_error=new.error)
        command.add_options(new)
    return parser
