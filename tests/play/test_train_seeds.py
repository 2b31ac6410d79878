"""The fan of the training scene: each of its nets is the run of that seed."""

import gc

import numpy as np
import pytest

from minigrad.play.train import FAN, Train
from minigrad.play.train_seeds import POINTS, SEEDS


def fanned(state):
    scene = Train(state)
    scene.act("seeds")
    while scene.running:
        scene.advance(0.02)
    return scene, scene._fan


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "name"),
    [
        ({"data": "moons", "hidden": [[4, "tanh"]], "batch": 100, "seed": 5}, "test-loss"),
        ({"data": "xor", "batch": 1, "hidden": [[3, "sigmoid"]], "loss": "mse", "optimizer": "sgd", "lr": 0.5}, "loss"),
    ],
)
def test_each_seed_has_the_losses_of_its_own_run(state, name):
    scene, fan = fanned(state)
    assert len(fan.epochs) <= POINTS + 1
    assert FAN <= fan.epochs[-1] * scene.run.epoch < FAN + scene.run.epoch * (fan.every + 1)
    for i in (0, 1, SEEDS - 1):
        for place in (0, 1, len(fan.epochs) // 2, -1):
            alone = Train(state | {"seed": scene.state()["seed"] + i, "steps": fan.epochs[place] * scene.run.epoch})
            assert fan.losses[place][i] == alone.values()[name]


def test_the_page_gets_a_curve_a_seed_and_a_sentence():
    scene, fan = fanned({"data": "iris", "hidden": [[2, "tanh"]]})
    view = scene.view()["seeds"]
    assert view["losses"].shape == (SEEDS, len(view["steps"]))
    assert view["steps"][:2] == [0, fan.every * scene.run.epoch]
    low, high = fan.losses[-1].min(), fan.losses[-1].max()
    assert f"after {fan.last} epochs: losses from {low:.3g} to {high:.3g}" in view["sentence"]


def test_seeds_that_diverge_are_counted_and_left_out():
    bold = {"data": "spirals", "hidden": [[4, "relu"]] * 2, "optimizer": "sgd"}
    _, fan = fanned(bold | {"lr": 1e300, "init": "he_normal", "hidden": [[9, "relu"]] * 3})
    assert fan.sentence() == "All 64 seeds diverged."
    _, fan = fanned(bold | {"lr": 1e200})
    lost = int(np.isnan(fan.losses[-1]).sum())
    assert 0 < lost < SEEDS
    assert f"{lost} diverged" in fan.sentence()
    for losses, later in zip(fan.losses, fan.losses[1:], strict=False):
        assert (np.isnan(later) >= np.isnan(losses)).all()


def test_another_setting_ends_the_fan():
    scene = Train({"data": "digits", "hidden": [[32, "relu"]]})
    scene.act("seeds")
    fan = scene._fan
    scene.set("lr", "0.1")
    assert scene.view()["seeds"] is None
    assert not scene.running
    fan._thread.join(60)
    assert fan.epochs == [] or fan.epochs[-1] < fan.last


def test_the_fan_ends_when_nobody_has_the_scene_any_more():
    scene = Train({"data": "digits", "hidden": [[32, "relu"]]})
    scene.act("seeds")
    fan = scene._fan
    del scene
    gc.collect()
    fan._thread.join(60)
    assert fan.ended
    assert fan.epochs == [] or fan.epochs[-1] < fan.last
