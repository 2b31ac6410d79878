"""What the tests of advice share: the lines of code that a message advises, taken out and run."""

import re

import numpy as np

import minigrad as mg

READING = r"( for one sample| for one feature| if its columns are the samples)?"


def advised(error):
    """The lines of code that a message advises."""
    return [line for line, _ in re.findall(rf"; use (.+?){READING}(?=; use |$)", str(error))]


def refusal(call, value):
    """The error that call(value) raises, or None."""
    try:
        call(value)
    except (TypeError, ValueError) as error:
        return error


def mend(call, name, value, fragment):
    """call(value) is refused with the fragment in the message; its advice, taken at most three times, mends that."""
    error = refusal(call, value)
    assert error is not None
    assert fragment in str(error)
    assert re.match(rf"{name}\b", str(error)), str(error)
    for _ in range(3):
        assert advised(error), str(error)
        value = eval(advised(error)[0], {"np": np, "mg": mg, name: value})
        before, error = error, refusal(call, value)
        if error is None:
            return value
        assert str(error) != str(before), "the advice has changed nothing"
    raise AssertionError(f"still refused: {error}")
