"""The diagnosis of the training scene, and its remedies as settings."""

import numpy as np
import pytest

from minigrad.play.train import Train
from minigrad.play.train_run import setup_of
from minigrad.play.train_settings import read


def diagnosed(state):
    scene = Train(state)
    scene.act("diagnose")
    assert scene.running
    while scene.running:
        scene.advance(0.05)
    return scene


@pytest.mark.parametrize(
    ("state", "name", "changes"),
    [
        ({"optimizer": "sgd", "lr": 5000.0, "hidden": [[8, "relu"]]}, "lr high", {"lr"}),
        ({"hidden": [[12, "identity"], [12, "identity"]]}, "no activation", {"hidden"}),
        (
            {"data": "digits", "scale": "none", "hidden": [[8, "sigmoid"]] * 6, "optimizer": "sgd", "lr": 100.0},
            "stuck",
            {"scale", "init", "lr"},
        ),
        ({"hidden": [[8, "sigmoid"]] * 6}, "vanishing", {"init"}),
        ({"data": "spirals", "output": "relu", "hidden": [[12, "relu"]]}, "activation before logits", {"output"}),
        ({"data": "digits", "output": "sigmoid", "loss": "mse"}, "mse on probabilities", {"output", "loss"}),
        ({"data": "digits", "optimizer": "sgd", "lr": 0.01, "momentum": 0.99}, "momentum", {"momentum"}),
        ({"data": "digits", "hidden": [[1, "relu"]]}, "bottleneck", {"hidden"}),
    ],
)
def test_a_remedy_is_applied_as_settings(state, name, changes):
    scene = diagnosed(state)
    found = scene.view()["diagnosis"]["findings"]
    names = [finding["name"] for finding in found]
    assert name in names, names
    number = names.index(name)
    before, wanted = scene.state(), scene._found[1][number].finding.apply()
    assert {change.partition(":")[0] for change in found[number]["changes"]} == changes
    scene.act("apply", number=number)
    after = scene.state()
    assert {key for key in after if after[key] != before[key]} == changes
    assert scene.view()["diagnosis"] is None
    made = setup_of(read(after)[0])
    assert [layer.kind for layer in made.net if hasattr(layer, "kind")] == [
        layer.kind for layer in wanted.net if hasattr(layer, "kind")
    ]
    assert [layer.out_features for layer in made.net if hasattr(layer, "out_features")] == [
        layer.out_features for layer in wanted.net if hasattr(layer, "out_features")
    ]
    assert (type(made.loss), made.opt.lr, made.batch_size) == (type(wanted.loss), wanted.opt.lr, wanted.batch_size)
    np.testing.assert_allclose(made.x, wanted.x, atol=1e-12)


def test_what_the_controls_cannot_change_is_said_in_words():
    scene = diagnosed({"lr": 5000.0, "optimizer": "sgd", "hidden": [[8, "relu"]]})
    found = scene._found[1]
    found[0] = found[0]._replace(changes=[])
    view = scene.view()["diagnosis"]["findings"][0]
    assert view["changes"] == []
    assert view["remedy"]
    with pytest.raises(ValueError, match="has no remedy that these controls can make"):
        scene.act("apply", number=0)


def test_a_diagnosis_is_of_the_net_as_it_starts_and_ends_with_its_settings():
    late = diagnosed({"hidden": [[8, "sigmoid"]] * 6, "steps": 90})
    early = diagnosed({"hidden": [[8, "sigmoid"]] * 6})
    assert late.view()["diagnosis"] == early.view()["diagnosis"]
    assert late.run.steps == 90
    late.set("lr", "0.1")
    assert late.view()["diagnosis"] is None
    early.act("dismiss")
    assert early.view()["diagnosis"] is None


def test_training_goes_on_while_a_diagnosis_thinks():
    scene = Train({"data": "digits", "hidden": [[48, "sigmoid"]] * 4, "speed": "fast"})
    scene.act("run")
    scene.act("diagnose")
    assert scene.view()["diagnosis"] == {"verdict": "", "findings": []}
    scene.advance(0.05)
    assert scene.run.steps > 0
    scene.act("stop")
    assert scene.running, "the diagnosis is still awaited"
    while scene.running:
        scene.advance(0.05)
    assert scene.view()["diagnosis"]["verdict"]


@pytest.mark.parametrize(
    ("kind", "init"), [("sigmoid", "tanh_equivalent"), ("relu", "he_normal"), ("tanh", "glorot_normal")]
)
def test_weights_are_drawn_anew_as_the_activation_asks(kind, init):
    scene = diagnosed({"data": "digits", "init": "zeros", "hidden": [[24, kind]]})
    scene.act("apply", number=[finding["name"] for finding in scene.view()["diagnosis"]["findings"]].index("symmetry"))
    assert scene.state()["init"] == init
