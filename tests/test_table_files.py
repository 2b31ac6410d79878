"""A net in a file keeps the encoder of its table, and a damaged one is refused."""

import functools
import json

import numpy as np
import pytest
from tables import FLOWERS, loaded

import minigrad as mg
from minigrad.datasets import Encoder, load_encoder
from minigrad.datasets.encoder import KINDS


@pytest.fixture
def load(tmp_path):
    """load(target) -> what load_table makes of some flowers, without a part to test on."""
    return functools.partial(loaded, tmp_path, FLOWERS)


@pytest.mark.parametrize("target", ["kind", "size", ["size"]])
def test_a_net_keeps_its_encoder(load, tmp_path, target):
    x, y, _, _, encoder = load(target)
    net = mg.mlp([encoder.width, 3, encoder.outputs], rng=0)
    mg.save(net, tmp_path / "net.npz", encoder=encoder)
    assert load_encoder(tmp_path / "net.npz") == encoder
    np.testing.assert_array_equal(mg.load(tmp_path / "net.npz")(x), net(x))


def test_every_kind_of_column_is_kept(load):
    assert {type(feature) for feature in load("kind")[-1].features} == set(KINDS.values())


def test_an_encoder_is_kept_with_a_net_that_fits_it(load, tmp_path):
    encoder = load("kind")[-1]
    for sizes in ([5, 3], [4, 2]):
        with pytest.raises(ValueError, match="does not fit the encoder, which has 5 inputs and 2 outputs"):
            mg.save(mg.mlp(sizes), tmp_path / "net.npz", encoder=encoder)
    with pytest.raises(TypeError, match="encoder is an int, expected one that mg.datasets.load_table made"):
        mg.save(mg.mlp([5, 2]), tmp_path / "net.npz", encoder=3)
    assert list(tmp_path.glob("net*")) == []


def test_a_net_without_an_encoder_says_so(tmp_path):
    mg.save(mg.mlp([2, 3]), tmp_path / "net.npz")
    with pytest.raises(ValueError, match="net.npz holds a net without the columns of a table"):
        load_encoder(tmp_path / "net.npz")


CHANGES = [
    {"features": 3}, {"features": [{}]}, {"features": [{"kind": "number", "name": "a"}]}, {"fill": 1}, {"target": {}},
    {"features": [{"kind": "number", "name": "a", "mean": float("nan"), "spread": 1}]},
    {"features": [{"kind": "number", "name": "a", "mean": 0, "spread": 0}]},
    {"features": [{"kind": "number", "name": "a", "mean": "0", "spread": 1}]},
    {"features": [{"kind": "os.system", "name": "a", "values": ["b"], "usual": "b"}]},
    {"features": [{"kind": "text", "name": "a", "values": ["b", "b"], "usual": "b"}]},
    {"features": [{"kind": "text", "name": "a", "values": ["b"], "usual": "c"}]},
    {"features": [{"kind": "text", "name": 3, "values": ["b"], "usual": "b"}]},
    {"features": [{"kind": "boolean", "name": "a", "usual": "yes"}]},
    {"features": [{"kind": "boolean", "name": "kind", "usual": True}]},
    {"features": [{"kind": "boolean", "name": "a", "usual": True}] * 2},
    {"target": {"name": "kind", "names": ["a"]}}, {"target": {"name": "kind", "names": "ab"}},
    {"target": {"columns": ["kind"], "mean": [0.0], "spread": [1.0, 1.0]}},
    {"target": {"columns": ["kind"], "mean": [1e999], "spread": [1.0]}},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_damaged_encoder_is_refused(load, tmp_path, monkeypatch, change):
    encoder = load("kind")[-1]
    whole = json.loads(json.dumps(encoder.config()))
    monkeypatch.setattr(Encoder, "config", lambda self: whole | change)
    mg.save(mg.mlp([5, 2], rng=0), tmp_path / "net.npz", encoder=encoder)
    with pytest.raises(ValueError, match="net.npz is not a minigrad net: its encoder is damaged: "):
        load_encoder(tmp_path / "net.npz")
