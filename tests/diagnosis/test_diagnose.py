"""diagnose as a whole: it changes nothing, gives the same again, takes every kind of net, and is fast."""

import copy
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from kinds_of_problems import KINDS, random_problem
from oracles import snapshot
from rule_cases import CLASS, VALUE, X, classifier, linear, regressor, sequential
from test_rules import CASES

import minigrad as mg
from minigrad.diagnosis.finding import LEVELS, NAMES


def noisy():
    """A problem with all the state there is: Dropout's generator, running statistics, a used optimizer."""
    net = sequential(
        linear(4, 8), mg.BatchNorm(8), mg.ReLU(), mg.Dropout(0.3, rng=5), mg.Residual(linear(8, 8, 1)), linear(8, 3, 2)
    )
    opt = mg.Adam(0.05, weight_decay=0.5)
    mg.fit(net, mg.CrossEntropyLoss(), opt, X, CLASS, epochs=2, rng=0, progress=False)
    net[1].train()  # the modes of the layers differ
    return classifier(100 * X, CLASS.copy(), net, opt, epochs=10)


def essence(diagnosis):
    """All that a diagnosis says, to be compared."""
    facts = {name: np.asarray(value).tolist() for name, value in diagnosis.facts.items()}
    return [f.entry() for f in diagnosis.findings], facts, diagnosis.gains, str(diagnosis)


# ---- what it leaves alone --------------------------------------------------------------------------------------


@pytest.mark.parametrize("try_remedies", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_nothing_that_is_given_changes(try_remedies):
    p, rng = noisy(), np.random.default_rng(3)
    before, arrays, state = snapshot(p.net, p.opt), (p.x.copy(), p.y.copy()), rng.bit_generator.state
    layers, config, lr = list(p.net), p.opt.config(), p.opt.lr
    of_numpy = np.random.get_state()[1].tobytes()  # noqa: NPY002
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        filters, errors = list(warnings.filters), np.geterr()
        found = p.diagnosed(rng=rng, try_remedies=try_remedies)
        for finding in found.findings:
            if finding.apply is not None:
                finding.apply()
        str(found)
        assert warnings.filters == filters
        assert np.geterr() == errors
    assert len(found.findings) > 2
    assert snapshot(p.net, p.opt) == before
    assert list(p.net) == layers
    assert (p.opt.config(), p.opt.lr) == (config, lr)
    np.testing.assert_array_equal(p.x, arrays[0])
    np.testing.assert_array_equal(p.y, arrays[1])
    assert rng.bit_generator.state == state
    assert np.random.get_state()[1].tobytes() == of_numpy  # noqa: NPY002
    mg.fit(p.net, p.loss, p.opt, p.x, p.y, epochs=1, progress=False)  # the optimizer is still this net's


def test_read_only_arrays_are_only_read():
    p = noisy()
    for array in (p.x, p.y, *p.net.parameters().values()):
        array.setflags(write=False)
    assert len(p.diagnosed().findings) > 2


def test_the_findings_do_not_depend_on_the_modes_of_the_layers():
    p, q = noisy(), noisy()
    p.net.train()
    q.net.eval()
    assert essence(p.diagnosed()) == essence(q.diagnosed())


@pytest.mark.parametrize("rng", [0, 5, np.random.default_rng(5)], ids=repr)
def test_the_same_seed_finds_the_same(rng):
    p = noisy()
    first, again = (essence(p.diagnosed(rng=rng)) for _ in range(2))
    assert first == again
    assert essence(noisy().diagnosed(rng=copy.deepcopy(rng))) == first


def test_the_same_seed_gains_the_same():
    first, again = (classifier(1000 * X, epochs=10).diagnosed(try_remedies=True).gains for _ in range(2))
    assert first == again
    assert len(first) > 1


def test_another_seed_takes_other_batches():
    p = noisy()
    assert p.diagnosed(rng=1).facts["trial_losses"] != p.diagnosed(rng=2).facts["trial_losses"]


def test_another_process_finds_the_same():
    here = Path(__file__).parent
    code = f"import sys; sys.path[:0] = [{str(here)!r}, {str(here.parent)!r}]\n"
    code += "from test_diagnose import essence, noisy\nprint(essence(noisy().diagnosed()))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.rstrip("\n") == repr(essence(noisy().diagnosed()))


# ---- every kind of net, loss, optimizer and data ---------------------------------------------------------------


def check_said(diagnosis):
    """Each finding is a known one; its numbers are floats and not NaN, its texts are sentences."""
    for f in diagnosis.findings:
        numbers = (f.measured, *f.expected)
        assert [type(number) for number in numbers] == [float] * 3, f.name
        assert not np.isnan(numbers).any(), f.name
        assert f.level in LEVELS
        assert f.name in NAMES[f.kind]
        for said in (f.text, f.remedy, f.theorem):
            assert said.strip(), f.name
            assert said[-1] in ".?", said
        assert f.name in ("nan_data", "diverges") or "nan" not in f.text.lower().replace("(", " ").split(), f.text
        compile(f.code, f.name, "exec")
        if f.apply is not None:
            f.apply()
    assert diagnosis.ok == ("fault" not in [f.level for f in diagnosis.findings])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_problem_has_an_answer(kind):
    problem = KINDS[kind]()
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        found = problem.diagnosed()
        check_said(found)
    paths = [path for path, _ in mg.layers.parameters.tree(problem.net)]
    assert all(f.layer is None or f.layer in paths for f in found.findings)


@pytest.mark.parametrize("seed", [*range(20), *(pytest.param(n, marks=pytest.mark.slow) for n in range(20, 100))])
def test_random_problems_have_an_answer(seed):
    """Layers, losses, sizes and scales thrown together, sensible or not."""
    with np.errstate(all="ignore"):
        problem = random_problem(seed)
    check_said(problem.diagnosed())


def test_what_ends_a_training_is_said_in_its_own_words():
    (found,) = KINDS["own loss is NaN"]().diagnosed().findings
    assert found.text == "Before the first step the loss is NaN or infinite already, and no rule says why."
    (found,) = KINDS["own loss refuses after some steps"]().diagnosed().findings
    assert re.fullmatch(r"Training ended with an error: output reaches [\d.]+, expected at most 2.4\.", found.text)


HEALTHY = [kind for kind in KINDS if kind.startswith("healthy")]


@pytest.mark.parametrize("kind", HEALTHY)
def test_a_healthy_kind_has_no_fault(kind):
    found = KINDS[kind]().diagnosed()
    assert found.ok, [(f.name, f.text) for f in found.findings if f.level == "fault"]
    assert found.facts["learns"]


def test_float32_and_float64_find_the_same():
    names = []
    for dtype in ("float32", "float64"):
        net = mg.mlp([4, 10, 10, 3], "sigmoid", mg.initializers.normal(0.01), dtype=dtype, rng=0)
        found = classifier(X.astype(dtype), net=net).diagnosed()
        names.append([(f.name, f.level) for f in found.findings])
    assert names[0] == names[1]
    assert "blind_units" in dict(names[0])


# ---- facts and gains -------------------------------------------------------------------------------------------


def test_facts_are_what_plain_numpy_says():
    p = classifier()
    facts = p.diagnosed().facts
    shares = np.bincount(CLASS) / len(CLASS)
    assert facts["constant_loss"] == pytest.approx(-(shares * np.log(shares)).sum())
    assert facts["loss"] == pytest.approx(p.loss(p.net(X), CLASS))
    assert facts["trial_losses"][0] == pytest.approx(facts["loss"])
    assert facts["best_score"] >= max(facts["score"], facts["reference_score"])


def test_the_limit_of_lr_is_that_of_the_curvature():
    p = regressor(net=sequential(linear(4, 1)), opt=mg.SGD(0.1))
    a = np.column_stack([p.x, np.ones(len(p.x))])[:256]
    largest = 2 * np.linalg.eigvalsh(a.T @ a / len(a))[-1]
    assert p.diagnosed().facts["lr_limit"] == pytest.approx(2 / largest, rel=0.2)


def score(net, x, y):
    """1 - errors over those of the most frequent class, or 1 - loss over the entropy where that is more."""
    output, shares = net(x), np.bincount(y) / len(y)
    by_errors = 1 - np.mean(output.argmax(axis=1) != y) / (1 - shares.max())
    by_loss = 1 - mg.CrossEntropyLoss()(output, y) / -(shares * np.log(shares)).sum()
    return max(by_errors, by_loss)


def test_gains_are_of_each_remedy_alone_and_then_in_order():
    p = classifier(1000 * X, opt=mg.SGD(0.01), epochs=10)
    found = p.diagnosed(try_remedies=True)
    remedies = [f.name for f in found.findings if f.apply is not None]
    assert len(remedies) > 1
    alone = [(name,) for name in remedies]
    in_order = [tuple(remedies[:count]) for count in range(2, len(remedies) + 1)]
    assert [gain.names for gain in found.gains] == [(), *alone, *in_order]
    for gain in found.gains:
        assert len(gain.scores) == 3
        assert all(-1 <= score <= 1 for score in gain.scores)
        assert gain.median == np.median(gain.scores)
    assert found.gains[1].median > found.gains[0].median  # standardising helps


def test_two_remedies_together_gain_more_than_each_alone():
    """Targets out of reach and nearly all units dropped: with one of the two left, less is learned."""
    net = sequential(linear(4, 16), mg.Tanh(), mg.Dropout(0.95, rng=0), linear(16, 1, 1), mg.Sigmoid())
    gains = regressor(y=3 * VALUE, net=net, epochs=40).diagnosed(try_remedies=True).gains
    both = [gain for gain in gains if set(gain.names) == {"target_range", "dropout"}]
    alone = [gain for gain in gains if gain.names in [("target_range",), ("dropout",)]]
    assert (len(both), len(alone)) == (1, 2), [gain.names for gain in gains]
    assert both[0].median > 0.2 + max(gain.median for gain in alone)


def test_the_score_of_the_net_as_it_is_is_that_of_a_training():
    """Another training, with batches drawn by fit, comes to the same score but for the order of the samples."""
    p = classifier(epochs=30)
    gains = p.diagnosed(try_remedies=True).gains
    scores = []
    for seed in range(3):
        net = copy.deepcopy(p.net)
        mg.fit(net, p.loss, mg.Adam(0.01), p.x, p.y, epochs=30, rng=seed, progress=False)
        scores.append(score(net, p.x, p.y))
    assert min(scores) > 0.8
    np.testing.assert_allclose(gains[0].scores, np.mean(scores), atol=0.03)


def test_gains_are_empty_unless_asked_for():
    assert classifier(100 * X).diagnosed().gains == []


# ---- time ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_median_over_all_cases_is_under_a_second():
    seconds = []
    for problem in [*(case.has() for case in CASES.values()), *(case.healthy() for case in CASES.values())]:
        start = time.perf_counter()
        problem.diagnosed()
        seconds.append(time.perf_counter() - start)
    assert np.median(seconds) < 1, np.round(seconds, 2)


def test_targets_that_are_all_the_same_are_a_fault_though_nothing_can_be_gained():
    x = np.random.default_rng(0).standard_normal((100, 4))
    found = mg.diagnose(mg.mlp([4, 8, 3], rng=0), mg.CrossEntropyLoss(), x, np.ones(100, int), mg.SGD(0.1))
    assert (found.ok, found.findings[0].name, found.findings[0].level) == (False, "one_class", "fault")


@pytest.mark.parametrize("seed", range(5))
def test_without_an_optimizer_the_plain_net_is_as_slow_as_the_one_that_is_judged(seed):
    rng = np.random.default_rng(seed)
    x, net = rng.standard_normal((200, 4)), mg.mlp([4, 32, 3], "relu", rng=seed)
    assert mg.diagnose(net, mg.CrossEntropyLoss(), x, (x @ rng.standard_normal((4, 3))).argmax(axis=1)).ok
