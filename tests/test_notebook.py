"""What a notebook shows of nets, pairs, passes and runs: true numbers, valid HTML, and nothing changed."""

import copy
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import same_bits

import minigrad as mg
from minigrad import _notebook as notebook
from minigrad._pictures import MINUS, PLUS, activation_colour

EMPTY = {"rect", "path", "circle"}


class Parts(HTMLParser):
    """The elements and the words; an AssertionError where a tag is not closed by its own end."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.words, self.cells = [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, name, attributes):
        self.open.append(name)
        self.elements.append((name, dict(attributes)))
        if name in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, text):
        self.words.append(text)
        if {"td", "th"} & {*self.open}:
            self.cells[-1] += text


def squares(html):
    """[(fill, opacity)] of the squares, in the order in which they are drawn."""
    return [(a["fill"], float(a["fill-opacity"])) for name, a in Parts(html).elements if name == "rect"]


def signs(html):
    return [0 if not opacity else 1 if fill == PLUS else -1 for fill, opacity in squares(html)]


@pytest.fixture
def trained():
    x, y, x_test, y_test = mg.datasets.load("digits")
    net = mg.mlp([64, 6, 10], "tanh", rng=0)
    data = (x[:90] / 16, y[:90])
    run = mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(lr=0.5), *data, epochs=3, validation=(x_test, y_test), rng=0)
    return net, run, mg.backprop(net, mg.CrossEntropyLoss(), *data)


def test_a_pair_shows_delta_a_their_product_and_the_gradient(trained):
    g = trained[2].gradients["2"]  # 6 -> 10
    delta, a = g.delta[0], g.a[0]
    expected = [*np.sign(delta), *np.sign(a), *np.sign(np.outer(delta, a)).ravel(), *np.sign(g.weight).ravel()]
    assert signs(g._repr_html_()) == expected
    words = " ".join(Parts(g._repr_html_()).words)
    assert "delta (90, 10), a (90, 6)" in words
    assert "the mean of 90 samples" in words
    assert f"largest {abs(g.weight).max():.4g}" in words


def test_a_pass_shows_the_sizes_of_each_pair(trained):
    bp = trained[2]
    cells = Parts(bp._repr_html_()).cells[7:]
    for i, (path, g) in enumerate(bp.gradients.items()):
        row = [cell.replace("\N{MINUS SIGN}", "-") for cell in cells[7 * i : 7 * i + 6]]
        assert row[0] == path
        assert row[1] == str(g.delta.shape)
        assert row[3] == str(g.a.shape)
        numbers = [math.sqrt((g.delta**2).sum() / g.delta.size), g.a.sum() / g.a.size, np.std([g.weight, -g.weight])]
        assert [float(row[2]), float(row[4]), float(row[5])] == pytest.approx(numbers, rel=1e-3)
    assert f"{bp.loss:.4g}" in "".join(Parts(bp._repr_html_()).words)


def test_a_net_shows_what_its_summary_prints(trained, capsys):
    net = trained[0]
    net.summary()
    printed = capsys.readouterr().out.split("\n")[1:-2]
    cells = Parts(net._repr_html_()).cells[5:]
    assert len(cells) == 5 * len(printed)
    for i, line in enumerate(printed):
        path, layer, out, count, _ = cells[5 * i : 5 * i + 5]
        assert re.split(" {2,}", line) == [f"{path} {layer.removeprefix('● ')}", out, count]
    assert activation_colour("tanh") in net._repr_html_()


def test_a_net_shows_pictures_of_its_matrices_and_colours_of_its_activations_only():
    net = mg.Sequential(mg.Linear(3, 2, rng=0), mg.BatchNorm(2), mg.Tanh())
    html = net._repr_html_()
    assert signs(html) == [*np.sign(net[0].weight).ravel()]
    assert html.count("\N{BLACK CIRCLE}") == 1
    assert "Sequential of 12 parameters" in "".join(Parts(html).words)


def test_a_run_shows_first_last_and_best_and_both_curves(trained):
    run = trained[1]
    parts = Parts(run._repr_html_())
    assert parts.cells[4:8] == ["loss", f"{run.loss[0]:.4g}", f"{run.loss[2]:.4g}", f"{min(run.loss):.4g} in epoch 3"]
    best = int(np.argmax(run.val_accuracy))
    assert parts.cells[16:20][3] == f"{run.val_accuracy[best]:.4g} in epoch {best + 1}"
    curves = [a for name, a in parts.elements if name == "path" and a["d"].count("L") == 2]
    assert [a["stroke-dasharray"] for a in curves] == ["none", "5 3"]
    assert {"training", "validation", "epoch", "loss"} <= {*parts.words}


def heights(path):
    return [float(y) for y in re.findall(r"[ML]\S+ (\S+)", path)]


def test_a_curve_is_as_high_as_its_losses_and_broken_where_they_are_not_finite():
    html = mg.History(loss=[3.0, 1.0, math.inf, 2.0, math.nan, 1.0, 1.5])._repr_html_()
    (curve,) = [a["d"] for name, a in Parts(html).elements if name == "path" and a["d"].count("M") == 3]
    top, bottom, middle, again, last = heights(curve)
    assert middle == pytest.approx((top + bottom) / 2)
    assert again == bottom
    assert last == pytest.approx(bottom + (top - bottom) / 4, abs=0.06)
    assert curve.count("L") == 2
    assert sum(name == "circle" for name, _ in Parts(html).elements) == 1


@pytest.mark.parametrize(
    "history",
    [mg.History(), mg.History(loss=[1.0]), mg.History(loss=[math.nan] * 3), mg.History(loss=[2.0, 2.0])],
    ids=["empty", "one", "nan", "flat"],
)
def test_a_run_of_nothing_or_of_nan_is_shown(history):
    assert f"History of {len(history)} epochs" in "".join(Parts(history._repr_html_()).words)


@given(st.lists(st.lists(st.floats(), min_size=3, max_size=3), min_size=1, max_size=4))
def test_the_colour_is_the_sign_whatever_the_number(rows):
    drawn = squares(notebook.matrix(np.array(rows), "w"))
    for value, (fill, opacity) in zip(np.ravel(rows), drawn, strict=True):
        assert 0 <= opacity <= 1
        assert (opacity > 0) == (value != 0 and value == value)
        assert opacity == 0 or fill == (PLUS if value > 0 else MINUS)


def test_a_large_matrix_is_drawn_in_part_and_says_so():
    html = notebook.matrix(np.ones((500, 784)), "w")
    assert len(squares(html)) == 12 * 24
    assert "the first 12 x 24 of 500 x 784" in html
    assert len(html) < 40_000


def test_pairs_with_positions_without_samples_and_in_float32_are_shown():
    net = mg.mlp([3, 4, 2], rng=0, dtype=np.float32)
    bp = mg.backprop(net, mg.MSELoss(), np.ones((5, 7, 3)), np.zeros((5, 7, 2)))
    g = bp.gradients["0"]
    assert "sample 0 at its first position" in g._repr_html_()
    assert signs(g._repr_html_())[:4] == [*np.sign(g.delta[0, 0])]
    empty = mg.WeightGradient(np.ones((0, 2)), np.ones((0, 3)))
    assert "".join(Parts(empty._repr_html_()).words) == repr(empty)


def test_what_overflows_is_shown_without_a_warning(recwarn):
    g = mg.WeightGradient(np.array([[1e300, -np.inf, np.nan]]), np.array([[1e300, 0.0]]))
    assert signs(g._repr_html_())[5:11] == [1, 0, -1, 0, 0, 0]  # inf, 0, -inf, nan, nan, nan
    assert not recwarn


class Scripted(mg.Tanh):
    def __repr__(self):
        return "<script>alert(1)</script>"


def test_what_a_layer_says_of_itself_is_escaped():
    assert "<script" not in mg.Sequential(mg.Linear(2, 2), Scripted())._repr_html_()


def test_showing_changes_nothing(trained):
    net, run, bp = trained
    before = copy.deepcopy((net.state(), run.entries(), bp.parameter_gradients()))
    for shown in (net, run, bp, bp.gradients["0"]):
        assert shown._repr_html_() == shown._repr_html_()
    assert same_bits(before[0], net.state())
    assert before[1] == run.entries()
    assert same_bits(before[2], bp.parameter_gradients())
