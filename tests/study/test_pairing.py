"""The single neuron of Q11 beside gradient descent in plain numbers."""

import math

import pytest

from minigrad.studies import pairing


def steps_until_learnt(pair, z):
    """Steps until a = sigmoid(w + b) is below 0.1: each moves w and b by -0.15 delta, so z by twice that."""
    steps, a = 0, 1 / (1 + math.exp(-z))
    while a >= 0.1:
        z -= 0.3 * (2 * a * a * (1 - a) if pair == pairing.SQUARED else a)
        a = 1 / (1 + math.exp(-z))
        steps += 1
    return steps


@pytest.mark.parametrize("pair", pairing.PAIRS)
def test_a_neuron_takes_the_steps_that_its_delta_says(pair):
    steps = pairing.steps_of_neurons(pair)
    assert steps == [steps_until_learnt(pair, z) for z in pairing.SURE]
    assert max(steps) < pairing.ENOUGH[pair], "it has not learnt"
