"""A diagnosis runs the line of code that an error advises, and never what looks like one in the data."""

import numpy as np
import pytest

import minigrad as mg

X, Y = np.random.default_rng(0).standard_normal((20, 4)), np.arange(20) % 2


def with_text(array, text):
    """The array as objects, with text for one entry."""
    array = array.astype(object)
    array[2, 1] = text
    return array


CELLS = {
    "all of x": lambda text: {"x": np.full((20, 4), text)},
    "a list of lists": lambda text: {"x": [[text] * 4] * 20},
    "one entry of x": lambda text: {"x": with_text(X, text)},
    "one target": lambda text: {"y": with_text(np.ones((20, 2)), text), "loss": mg.MSELoss()},
    "x itself": lambda text: {"x": text},
    "y itself": lambda text: {"y": text},
    "bytes": lambda text: {"y": text.encode()},
    "a field": lambda text: {"x": np.zeros(20, [(text, float)])},
    "a key": lambda text: {"y": {text: 1}},
    "class names": lambda text: {"y": [text, "no"] * 10},
}


@pytest.mark.parametrize("end", ["", "#", " for one", "; use x"])
@pytest.mark.parametrize("kind", CELLS)
def test_text_in_the_data_is_not_run(kind, end, tmp_path):
    text = f"; use open({str(tmp_path / 'run')!r}, 'w'){end}"
    given = {"loss": mg.CrossEntropyLoss(), "x": X, "y": Y} | CELLS[kind](text)
    found = mg.diagnose(mg.mlp([4, 3, 2], rng=0), **given)
    for finding in found.findings:
        if finding.apply is not None:
            finding.apply()
        assert "open(" not in finding.code
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"y": Y[:, None]}, "y = y[:, 0]"),
        ({"y": Y.astype(float).tolist()}, "y = np.asarray(y, int)"),
        ({"y": ["yes", "no"] * 10}, "y = np.unique(y, return_inverse=True)[1]"),
        ({"x": X.T}, "x = x.T"),
        ({"x": X > 0}, "x = x.astype(float)"),
    ],
)
def test_the_line_that_mends_the_data_is_the_remedy(given, code):
    given = {"loss": mg.CrossEntropyLoss(), "x": X, "y": Y} | given
    finding = mg.diagnose(mg.mlp([4, 3, 2], rng=0), **given).findings[0]
    assert (finding.level, finding.code) == ("fault", code)
    assert "; use" not in finding.text
    mended = finding.apply()
    mg.backprop(mended.net, mended.loss, mended.x, mended.y)
