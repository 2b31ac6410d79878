"""What the training scene measures and draws, against arithmetic written out."""

import base64
import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import diagnostics as dg
from minigrad.play import wire
from minigrad.play.train import Train


def test_the_numbers_of_the_layers_written_out():
    scene = Train({"data": "iris", "hidden": [[4, "sigmoid"], [3, "tanh"]], "batch": 20, "steps": 40})
    run, values = scene.run, scene.values()
    rows = run.batch()
    assert len(rows) == 20
    a = run.x[rows]
    W = [run.net[i].weight for i in (0, 2, 4)]
    b = [run.net[i].bias for i in (0, 2, 4)]
    h1 = 1 / (1 + np.exp(-(a @ W[0].T + b[0])))
    h2 = np.tanh(h1 @ W[1].T + b[1])
    e = np.exp(h2 @ W[2].T + b[2])
    delta3 = e / e.sum(axis=1, keepdims=True) - np.eye(3)[run.y[rows]]
    delta2 = delta3 @ W[2] * (1 - h2**2)
    delta1 = delta2 @ W[1] * h1 * (1 - h1)
    for path, delta, inputs in (("0", delta1, a), ("2", delta2, h1), ("4", delta3, h2)):
        gradient = delta.T @ inputs
        assert values[f"single-signed.{path}"] == np.mean([(row > 0).all() or (row < 0).all() for row in gradient])
        outer = np.einsum("nk,nj->nkj", delta, inputs).reshape(-1, inputs.shape[1])
        shares = np.mean([(row > 0).all() or (row < 0).all() for row in outer])
        assert values[f"single-signed-samples.{path}"] == shares
        assert values[f"delta-norm.{path}"] == pytest.approx(np.sqrt((delta**2).sum() / 20), rel=1e-10)
        with_bias = np.column_stack([inputs, np.ones(20)])
        assert values[f"condition.{path}"] == pytest.approx(np.linalg.cond(with_bias) ** 2, rel=1e-6)
    assert values["decades.0"] == pytest.approx(math.log10(values["delta-norm.0"] / values["delta-norm.2"]))
    assert values["saturated.0"] == (h1 * (1 - h1) < 0.01).mean()
    assert values["saturated.2"] == (1 - h2**2 < 0.01).mean()
    assert values["mean-field.4"] == values["delta-norm.4"]
    rate = dg.mean_field_rate("tanh", math.sqrt(3 * (W[2] ** 2).mean()), math.sqrt((b[1] ** 2).mean()))
    assert values["mean-field.2"] == pytest.approx(values["delta-norm.4"] * math.sqrt(rate.chi), rel=1e-10)


def test_the_pictures_have_the_signs_and_the_entries_have_the_numbers():
    scene = Train({"data": "moons", "hidden": [[5, "tanh"]], "batch": 40, "steps": 9})
    for sample in (0, 3):
        scene.set("sample", str(sample))
        for card, (path, g) in zip(scene.view()["cards"], scene.run.bp.gradients.items(), strict=True):
            product = g.weight if sample == 0 else np.outer(g.delta[2], g.a[2])
            for what, array in (("a", g.a[:32]), ("delta", g.delta[:32]), ("g", product)):
                codes = np.frombuffer(base64.b64decode(card[what]["codes"]), np.int8).reshape(array.shape)
                np.testing.assert_array_equal(np.sign(codes), np.sign(array))
                size = np.abs(array) / np.abs(array).max()
                np.testing.assert_allclose(np.abs(codes) / 127, np.sqrt(size), atol=1 / 127)
                assert card[what]["largest"] == np.abs(array).max()
                i, j = array.shape[0] - 1, array.shape[1] - 1
                scene.act("look", what=what, layer=path, i=i, j=j)
                name = {"a": f"a.0.{j}" if path == "2" else f"x.{j}", "delta": f"delta.{path}.{j}"}
                assert scene.values()[name.get(what, f"g.{path}.{i}.{j}")] == array[i, j]
    scene.act("look")
    assert not any(name.startswith(("a.", "x.", "delta.", "g.")) for name in scene.values())


@pytest.mark.parametrize(("value", "code"), [(np.nan, -128), (np.inf, 127), (-np.inf, -127), (5e-324, 1), (0.0, 0)])
def test_a_picture_of_what_is_not_finite_or_tiny(value, code):
    from minigrad.play.train_view import picture

    found = picture(np.array([[value, 2.0]]))
    assert np.frombuffer(base64.b64decode(found["codes"]), np.int8).tolist() == [code, 127]
    assert found["largest"] == 2.0


def test_the_field_is_what_the_net_answers():
    from minigrad.play.train_view import GRID, LEVELS

    scene = Train({"data": "spirals", "hidden": [[8, "tanh"]], "steps": 200})
    view = scene.view()
    codes = np.frombuffer(base64.b64decode(view["answers"][0]["field"]), np.uint8).reshape(GRID, GRID)
    low, side = view["points"]["low"], view["points"]["side"]
    for row, column in ((0, 0), (GRID - 1, 3), (20, 41)):
        place = [low[0] + (column + 0.5) / GRID * side, low[1] + (GRID - row - 0.5) / GRID * side]
        p = np.sort(mg.softmax(scene.run.net([place]))[0])
        assert codes[row, column] // LEVELS == scene.run.net([place]).argmax()
        assert codes[row, column] % LEVELS == round((p[-1] - p[-2]) * (LEVELS - 1))
    marks = {name: np.frombuffer(base64.b64decode(view["points"]["train"][name]), np.uint8) for name in ("x", "y")}
    np.testing.assert_allclose(low[0] + marks["x"] / 255 * side, scene.run.x[:, 0], atol=side / 255)
    np.testing.assert_allclose(low[1] + marks["y"] / 255 * side, scene.run.x[:, 1], atol=side / 255)


def test_the_digits_and_the_confusion_are_those_of_the_held_out_samples():
    digits = Train({"data": "digits", "hidden": [[10, "relu"]], "steps": 60})
    images = digits.view()["answers"][0]["images"]
    ink = np.frombuffer(base64.b64decode(images["ink"]), np.uint8).reshape(-1, 64)
    _, _, x_test, y_test = mg.datasets.load("digits")
    np.testing.assert_allclose(ink, x_test[: len(ink)] / 16 * 255, atol=0.51)
    assert images["classes"].tolist() == y_test[: len(ink)].tolist()
    iris = Train({"data": "iris", "hidden": [[6, "tanh"]], "steps": 100})
    found = iris.view()["answers"][0]["confusion"]
    assert found["counts"].sum(axis=1).tolist() == [10, 10, 10]
    assert found["counts"].trace() == round(30 * iris.values()["test-accuracy"])


def test_a_scene_that_opens_says_what_is_seen():
    scene = Train()
    sentence = scene.view()["sentence"]
    assert sentence.startswith("Before the first step the loss is 0.")
    assert "all inputs of layer 4 are of one sign" in sentence, "sigmoids are never negative"
    scene.act("steps", n=200)
    assert f"In 200 steps the loss has fallen from {wire.rounded(scene.run.points[0].loss)}" in scene.view()["sentence"]
    deep = Train({"hidden": [[8, "sigmoid"]] * 8})
    assert "times smaller than at the last, so the first hardly moves" in deep.view()["sentence"]
    saturated = Train({"data": "digits", "scale": "none", "hidden": [[8, "sigmoid"]], "init": "he_normal"})
    assert "it is saturated" in saturated.view()["sentence"]
