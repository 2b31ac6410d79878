"""How many inputs are tried, how a failing one is named, and what is counted. See `make fuzz`."""

import collections
import math
import os
import re
import warnings

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from random_arguments import RandomSource

# Inputs of all targets together. Each kind of target gets a share of them, by what an input of it costs.
CASES = int(os.environ.get("MINIGRAD_FUZZ_CASES", "600"))
OUTCOMES = collections.defaultdict(collections.Counter)  # target -> what came of its inputs
BATCH = 200

# What NumPy and Python say of an error inside, where minigrad should have spoken first.
INTERNAL = re.compile(
    r"ufunc|broadcast|matmul|setting an array|unsupported operand|has no attribute|not supported between|Cannot cast"
    r"|truth value|only length-1|only integer|has no len|__\w+__|inhomogeneous|unhashable|not iterable|subscriptable"
    r"|indices must be|too many indices|unpack|convert to C|positional argument|dimension mismatch|string conversion"
)


def run_fuzz(target, cases, call_once):
    """Call call_once(draw), which returns what came of it, for that many inputs, from seeds that hypothesis picks."""
    batch = max(1, min(BATCH, math.ceil(cases)))

    @settings(max_examples=math.ceil(cases / batch), phases=(Phase.reuse, Phase.generate))
    @given(st.integers(0, 2**32 - 1))
    def run(seed):
        draw = RandomSource(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning that leaks is as wrong as any other error
            for number in range(batch):
                try:
                    outcome = call_once(draw)
                except BaseException as error:
                    error.add_note(f"{target}, seed {seed}, input {number} of its batch of {batch}")
                    raise
                OUTCOMES[target][outcome] += 1

    run()


def check_message(error, names=()):
    """The message speaks of an argument or of the function, not of an operation somewhere inside."""
    message = str(error.args[0]) if error.args else ""
    assert message, f"{error!r} says nothing"
    assert not INTERNAL.search(message), message
    pattern = "|".join(map(re.escape, names))
    assert re.search(rf"\b({pattern})", message), f"{message!r} names none of {names}"


def described(values):
    """The inputs in a few words, for the message of a failure."""
    words = []
    for name, value in values.items():
        try:
            text = repr(value)
        except ValueError:
            text = "an int of very many digits"
        words.append(f"{name}={text[:300]} ({type(value).__name__} {getattr(value, 'dtype', '')})")
    return "; ".join(words)
