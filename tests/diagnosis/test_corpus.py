import collections

import corpus
import evaluate
import faulty
import numpy as np
import own_parts as own
import published
import pytest
import verify
from corpus import Case, Setup, cases

import minigrad as mg

CASES = {case.name: case for case in cases()}
BY_KIND = collections.Counter((case.kind, case.is_faulty) for case in CASES.values())
OF_A_PROGRAM = ("public", "programs_a", "programs_b")


def arrays(setup):
    return [setup.x, setup.y, *setup.net.state().values()]


# ---- what is listed --------------------------------------------------------------------------------------


def test_no_two_cases_have_one_name():
    assert len(CASES) == len(cases())


def test_names_are_those_that_a_finding_can_have():
    assert {name for case in CASES.values() for name in case.names} <= corpus.ALL_NAMES


def test_there_are_enough_of_each_kind():
    assert BY_KIND["healthy", False] >= 70
    assert BY_KIND["hard", False] >= 32
    for kind, count in (("public", 21), ("programs_a", 22), ("programs_b", 20)):
        assert BY_KIND[kind, True] == BY_KIND[kind, False] == count


def test_every_finding_but_a_symptom_has_four_mistakes():
    counts = collections.Counter(case.names[0] for case in CASES.values() if case.kind == "faulty")
    assert {name for name in corpus.ALL_NAMES if counts[name] < 4} == {"diverges"}


@pytest.mark.parametrize("kind", sorted({case.kind for case in CASES.values()}))
def test_both_halves_have_their_share(kind):
    halves = collections.Counter(case.half for case in CASES.values() if case.kind == kind)
    assert set(halves) == {"seen", "hidden"}
    assert 0.4 <= halves["hidden"] / sum(halves.values()) <= 0.6


def test_a_broken_case_and_its_twin_know_each_other():
    for case in CASES.values():
        if case.is_faulty:
            assert not CASES[case.twin].is_faulty
        if case.kind in OF_A_PROGRAM:
            assert CASES[case.twin].twin == case.name
            assert CASES[case.twin].half == case.half


def test_what_is_harmless_is_a_candidate():
    assert faulty.HARMLESS <= {case.name for case in faulty.candidates()}


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_built_the_same_way_twice(name):
    first, again, other = (CASES[name].make(seed) for seed in (0, 0, 1))
    for array, same in zip(arrays(first), arrays(again), strict=True):
        np.testing.assert_array_equal(array, same)
    assert repr(first.net) == repr(again.net)
    assert repr(first.opt) == repr(again.opt)
    differ = (not np.array_equal(a, b) for a, b in zip(arrays(first), arrays(other), strict=True))
    assert any(differ) or name.startswith(("public_03_sum_of_three/", "public_16", "programs_b_line_of_hundred/"))
    assert len(first.x) == len(first.y)


# ---- the score -------------------------------------------------------------------------------------------


def test_the_score_of_values_is_r_squared():
    y = np.array([[1.0], [2.0], [3.0], [6.0]])
    assert corpus.score("values", np.full_like(y, 3), y, None) == 0
    assert corpus.score("values", y, y, None) == 1
    assert corpus.score("values", y + 1, y, None) == pytest.approx(1 - 4 / 14)
    assert corpus.score("values", 1e9 * y, y, None) == -1


def test_the_score_of_classes_is_against_the_most_frequent_one():
    y, output = np.array([0, 0, 0, 1, 2]), np.eye(3)[[0, 0, 0, 0, 2]]
    assert corpus.score("classes", output, y, None) == pytest.approx(1 - 0.2 / 0.4)
    assert corpus.score("classes", np.eye(3)[[0] * 5], y, None) == 0
    assert corpus.score("classes", output, np.eye(3)[y], None) == pytest.approx(0.5)
    assert corpus.score("classes", output, 0 * y, None) == 0  # one class alone: nothing to be learnt


def test_the_score_of_one_output_uses_the_threshold_of_the_loss():
    y, output = np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([[-1.0], [-1.0], [0.3], [0.7]])
    assert corpus.score("classes", output, y, mg.BCEWithLogitsLoss()) == 1
    assert corpus.score("classes", output, y, mg.MSELoss()) == 0.5
    assert corpus.score("classes", output, 2 * y - 1, mg.MSELoss()) == 1


def test_the_score_of_labels_that_do_not_exclude_one_another():
    y = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert corpus.score("classes", 2 * y - 1, y, mg.BCEWithLogitsLoss()) == 1
    assert corpus.score("classes", np.ones_like(y), y, mg.BCEWithLogitsLoss()) == 0


def test_the_score_of_positions_counts_every_position():
    y = np.array([[0, 1, 2], [2, 1, 0]])
    assert corpus.score("classes", np.eye(3)[y], y, mg.CrossEntropyLoss()) == 1
    assert corpus.score("classes", np.eye(3)[0 * y], y, mg.CrossEntropyLoss()) == pytest.approx(0)


def test_training_says_what_happened():
    x, y = np.ones((4, 1)), np.ones((4, 1))
    net = mg.mlp([1, 1], rng=0)
    assert corpus.train("values", Setup(net, mg.MSELoss(), mg.SGD(0.1), x, y[:, 0])) == (0.0, "refused")
    assert corpus.train("values", Setup(net, mg.MSELoss(), mg.SGD(1e200), x, 0 * y)) == (-1.0, "diverged")


# ---- the parts of one's own ------------------------------------------------------------------------------

RIGHT = [own.OwnHuber, own.OwnLogCosh, own.OwnAbsolute, own.OwnWeightedSquares]


def worst_error(loss, y, layers=()):
    x = np.random.default_rng(0).normal(size=(6, 3))
    net = mg.Sequential(mg.Linear(3, y.shape[-1] if y.ndim == 2 else 4, rng=1), *layers)
    return max(mg.gradcheck(net, loss, x, y).values())


@pytest.mark.parametrize("loss", RIGHT)
def test_right_losses_have_right_derivatives(loss):
    assert worst_error(loss(), np.random.default_rng(1).normal(size=(6, 2))) < 1e-5


@pytest.mark.parametrize("loss", [own.OwnHinge, mg.BCEWithLogitsLoss])
def test_right_losses_of_labels_have_right_derivatives(loss):
    assert worst_error(loss(), np.random.default_rng(1).integers(0, 2, (6, 1)).astype(float)) < 1e-5


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (own.OwnMeanTwice, np.arange(12.0).reshape(6, 2)),
        (own.OwnUphill, np.arange(12.0).reshape(6, 2)),
        (own.OwnMeanTwiceCrossEntropy, np.arange(6) % 4),
        (own.OwnUphillCrossEntropy, np.arange(6) % 4),
        (own.OwnLogitsOnce, np.ones((6, 1))),
    ],
)
def test_wrong_losses_have_wrong_derivatives(loss, y):
    with pytest.raises(AssertionError, match="the gradient is wrong"):
        worst_error(loss(), y)


@pytest.mark.parametrize(
    "layer",
    [own.OwnSoftmax(), own.OwnSteepTanh(4), own.OwnSteepSigmoid(4), own.OwnSine(), own.OwnExp(), own.OwnScale(3)],
)
def test_layers_have_right_derivatives(layer):
    assert worst_error(mg.MSELoss(), np.random.default_rng(1).normal(size=(6, 4)), [layer]) < 1e-5


def test_sums_grow_with_the_batch():
    output, y = np.array([[1.0], [3.0]]), np.zeros((2, 1))
    twice = np.vstack([output, output]), np.vstack([y, y])
    assert own.OwnSumOfSquares()(*twice) == 2 * own.OwnSumOfSquares()(output, y)
    assert own.OwnSumOfLogits()(*twice) == pytest.approx(2 * own.OwnSumOfLogits()(output, y))


# ---- the tables ------------------------------------------------------------------------------------------


class Said:
    def __init__(self, name, level):
        self.name, self.level = name, level


def result(findings, names=("lr_high",)):
    return evaluate.Result(Case("x", None, names), [Said(*finding) for finding in findings])


def test_a_name_is_right_only_beside_an_alarm():
    assert result([("lr_high", "fault")]).right(1)
    assert not result([("lr_high", "note")]).right(3)
    assert not result([("lr_low", "fault"), ("lr_high", "note")]).right(1)
    assert result([("lr_low", "fault"), ("lr_high", "note")]).right(3)
    assert not result([("a", "fault"), ("b", "fault"), ("c", "fault"), ("lr_high", "fault")]).right(3)


def test_an_exception_counts_as_nothing_said():
    def judge(setup, case, seed):
        raise ZeroDivisionError("of what")

    found = evaluate.judged(Case("x", lambda seed: None, ("lr_high",)), judge, 0)
    assert not found.alarm
    assert "ZeroDivisionError" in found.error


def test_without_diagnose_it_says_so(monkeypatch, capsys):
    monkeypatch.delattr(mg, "diagnose", raising=False)
    monkeypatch.setattr("sys.argv", ["evaluate.py", "--only", "healthy"])
    assert evaluate.main() == 2
    assert "no mg.diagnose" in capsys.readouterr().out


def test_remedies_are_applied_one_after_the_other(monkeypatch):
    """A judge that lowers the rate each time it is asked: two remedies are needed, and then it is silent."""

    class Lower(Said):
        def __init__(self, setup):
            super().__init__("lr_high", "fault")
            self.setup = setup

        def apply(self):
            return Setup(self.setup.net, mg.MSELoss(), mg.SGD(self.setup.opt.lr / 100), self.setup.x, self.setup.y)

    class Diagnosed:
        def __init__(self, setup):
            self.findings = [Lower(setup)] if setup.opt.lr > 1 else []

    monkeypatch.setattr(evaluate, "diagnosis", lambda setup, seed: Diagnosed(setup))
    x = np.random.default_rng(0).normal(size=(50, 1))
    case = Case("x", lambda seed: Setup(mg.mlp([1, 1], rng=0), mg.MSELoss(), mg.SGD(300.0), x, 2 * x), ("lr_high",))
    case.task = "values"
    before, after, applied = evaluate.mended(case, 0)
    assert before == -1
    assert after > 0.99
    assert applied == ["lr_high", "lr_high"]


def test_published_rules_say_what_their_papers_say():
    assert "unscaled_input" in published.ranges(CASES["x_thousands@iris_tanh_sgd"].make(0))
    assert "dead_units" in published.symptoms(CASES["dead_units@sine_relu"].make(0), "values")
    assert "target_range" in published.symptoms(CASES["sigmoid_end@sine_sgd"].make(0), "values")
    assert not published.symptoms(CASES["blobs_logistic"].make(0), "classes")


# ---- what is said of the cases is so ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.kind in ("healthy", "hard")])
def test_healthy_nets_learn(name):
    assert corpus.trained(CASES[name], 0)[0] >= verify.LEARNS[CASES[name].kind]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.kind in OF_A_PROGRAM and case.is_faulty])
def test_a_mended_program_is_better_than_the_broken_one(name):
    broken, whole = (corpus.trained(CASES[each], 0)[0] for each in (name, CASES[name].twin))
    assert verify.hurts(broken, whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.kind == "faulty"][::6])
def test_a_mistake_hurts(name):
    broken, whole = (corpus.trained(CASES[each], 0)[0] for each in (name, CASES[name].twin))
    assert verify.hurts(broken, whole)
