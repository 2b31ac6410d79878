"""The runs behind Q4 to Q6: their numbers, found again in another way."""

import itertools

import numpy as np
import pytest

from minigrad.diagnostics import survival_probability
from minigrad.studies import Config, batch, patterns


def test_four_weights_counts_what_a_list_of_all_signs_gives():
    signs = list(itertools.product((1, -1), repeat=2))
    sigmoid = {(d, e) for d, e in signs}  # the sign of each row
    tanh = {(d * a, d * b, e * a, e * b) for d, e in signs for a, b in signs}
    assert patterns.four_weights((None, "sigmoid", 5))["patterns"] == len(sigmoid)
    found = patterns.four_weights((None, "tanh", 5))
    assert found["patterns"] == len(tanh)
    assert found["question"] == pytest.approx(100 / len(tanh), abs=4)


def test_the_most_favourable_positive_inputs_are_found_by_trying_all():
    """Of all a > 0, the best for an update of the question's pattern has one entry at 0."""
    wanted = patterns.QUESTION * np.array([[0.3, 2.0], [1.5, 0.8]])
    angle = np.linspace(0, np.pi / 2, 1001)
    a = np.stack([np.cos(angle), np.sin(angle)])
    tried = np.linalg.norm(wanted @ a, axis=0).max() / np.linalg.norm(wanted)
    assert tried == pytest.approx(np.linalg.norm(wanted, axis=0).max() / np.linalg.norm(wanted))


def test_a_batch_as_wide_as_the_layer_reaches_everything():
    found = patterns.wanted_update((Config(quick=True), "tanh", 0))
    assert all(b >= a - 0.05 for a, b in itertools.pairwise(found["cosines"]))
    assert found["cosines"][-1] == pytest.approx(1)
    assert 1 <= found["detour"] <= np.sqrt(2) + 1e-12
    assert found["one_sign"] >= np.sqrt(0.5) - 1e-12
    assert 1 <= found["labels"] <= 10


def test_one_sample_of_sigmoid_has_at_most_a_bit_for_each_neuron():
    assert patterns.entropy((Config(quick=True), "sigmoid", 0))[0] <= 4


@pytest.mark.parametrize("J", [5, 50])
def test_noise_survives_as_often_as_the_law_says(J):
    rate = survival_probability(J, 2.4006)  # mean / spread of a sigmoid of z ~ N(0, 1)
    assert batch.noise_survival((None, (J, 100), 0)) == pytest.approx(100 * rate, abs=6)
