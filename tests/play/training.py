"""What the tests of the training scene share: a table, and a scene as numbers, as a state and as a picture."""

import json

from minigrad.play import wire
from minigrad.play.train import Train

TABLE = "a;b;kind\n" + "".join(f"{n % 7};{n % 5 - 2};{'odd' if n % 2 else 'even'}\n" for n in range(40))


def exact(values):
    """{name: text} as a script prints them."""
    return {name: str(value) for name, value in values.items()}


def opened_again(scene):
    """Another scene of the same state."""
    return Train(json.loads(json.dumps(scene.state())))


def drawn(scene):
    """The view as the page gets it, text."""
    return wire.dumps(wire.drawn(scene.view()))
