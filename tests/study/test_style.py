"""How pictures look: names beside lines, squares, numbers."""

import itertools

import numpy as np
import pytest

from minigrad.studies import style

pytest.importorskip("matplotlib")


@pytest.mark.parametrize("heights", [[5.0, 5.0, 5.0], [1.0, 9.0, 2.0, 8.5], [0.0, 10.0], [3.0]])
def test_names_beside_lines_are_apart_in_order_and_near_their_lines(heights):
    fig = style.figure()
    ax = fig.subplots()
    style.label_ends(ax, 1, {f"line {i}": (height, "black") for i, height in enumerate(heights)}, apart=2.0)
    placed = {text.get_text(): text.xy[1] for text in ax.texts}
    found = [placed[f"line {i}"] for i in range(len(heights))]
    assert all(after - before > 1.99 for before, after in itertools.pairwise(sorted(found)))
    assert np.argsort(found, kind="stable").tolist() == np.argsort(heights, kind="stable").tolist()
    assert np.mean(found) == pytest.approx(np.mean(heights))
    if heights == [0.0, 10.0]:
        assert found == heights  # what is apart stays where it is


def test_squares_have_a_pixel_each_and_their_strength_is_an_opacity():
    fig = style.figure()
    ax = fig.subplots()
    style.coloured(ax, np.array([[4.0, -1.0], [0.0, 2.0]]))
    (image,) = ax.images
    red, green, blue, opacity = np.moveaxis(np.asarray(image.get_array(), float), -1, 0)
    assert image.get_interpolation() == "none"
    assert opacity == pytest.approx(np.array([[1, 0.625], [0.13, 0.25 + 0.75 * 0.5**0.5]]), abs=0.01)
    assert red[0, 0] > blue[0, 0]
    assert blue[0, 1] > red[0, 1]
    assert red[1, 0] == green[1, 0] == blue[1, 0]


def test_numbers_have_a_minus_sign_and_zero_has_none():
    assert [style.number(value) for value in (-0.731, 0.0, -0.001, 2)] == ["−0.73", "0.00", "0.00", "2.00"]
