"""minigrad diagnose: what it prints, what it writes, and the exit status by which a script knows of a fault."""

import argparse
import json
import re

import numpy as np
import pytest
from test_cli import quality

import minigrad as mg
from minigrad.cli import diagnose as command
from minigrad.cli import train
from minigrad.cli.main import build_parser

HEALTHY, BROKEN = (
    "diagnose --data iris --optimizer adam --scale standard --activation tanh",
    "diagnose --data iris --lr 500",
)


def findings(out):
    return re.findall(r"^(fault|slow|note)  (\w+)", out, flags=re.MULTILINE)


def test_exit_status_tells_a_fault(run):
    code, out, err = run(HEALTHY)
    assert (code, err) == (0, "")
    assert out.startswith("The net learns")
    assert "fault" not in out
    code, out, err = run(BROKEN)
    assert (code, err) == (1, "")
    assert out.startswith("The net does not learn: lr_high")
    assert findings(out)[0] == ("fault", "lr_high")
    assert "\033" not in out  # no terminal
    assert max(map(len, out.splitlines())) < 80


@pytest.mark.parametrize(
    ("options", "net", "opt", "rest"),
    [
        ("", {}, lambda: mg.SGD(0.5), {}),
        ("--seed 3 --lr 50", {"rng": 3}, lambda: mg.SGD(50), {"rng": 3}),
        ("--momentum 0.99 --lr 0.1 --batch-size 7", {}, lambda: mg.SGD(0.1, momentum=0.99), {"batch_size": 7}),
        ("--optimizer adam --epochs 2", {}, lambda: mg.Adam(0.01), {"epochs": 2}),
        ("--activation relu --init zeros", {"activation": "relu", "init": "zeros"}, lambda: mg.SGD(0.5), {}),
        ("--hidden 9,9,9,9,9", {"sizes": [4, 9, 9, 9, 9, 9, 3]}, lambda: mg.SGD(0.5), {}),
    ],
)
def test_every_option_reaches_the_diagnosis(run, options, net, opt, rest):
    """To the digit of the same diagnosis in Python; without an option, with the defaults that the help names."""
    x, y, _, _ = mg.datasets.load("iris")
    low, high = x.min(), x.max()
    new = mg.mlp(**({"sizes": [4, 32, 3], "activation": "sigmoid", "rng": 0} | net))
    settings = {"batch_size": 32, "epochs": 30, "rng": 0} | rest
    d = mg.diagnose(new, mg.CrossEntropyLoss(), (x - low) / (high - low), y, opt(), **settings)
    code, out, _ = run(f"diagnose --data iris --json {options}")
    assert json.loads(out) == json.loads(d.to_json())
    assert code == (0 if d.ok else 1)


def test_its_options_are_those_of_train():
    parsers = build_parser()._subparsers._group_actions[0].choices
    names = {
        name: {option for action in parsers[name]._actions for option in action.option_strings}
        for name in ("train", "diagnose")
    }
    assert names["train"] - names["diagnose"] == {"--save", "--checkpoint", "--resume", "--diagnose"}
    assert names["diagnose"] - names["train"] == {"--net", "--try", "--json", "--html"}


def test_try_says_what_each_remedy_gains(run):
    code, out, _ = run("diagnose --data digits --lr 500 --epochs 5 --try")
    assert code == 1
    rows = dict(re.findall(r"^    (as it is|lr_high) +(-?\d\.\d\d)  \(", out, flags=re.MULTILINE))
    assert float(rows["lr_high"]) > float(rows["as it is"]) + 0.2


@pytest.mark.parametrize(
    ("last", "loss", "targets"),
    [
        ([mg.Linear(8, 3, rng=1)], mg.CrossEntropyLoss(), lambda y: y),
        ([mg.Linear(8, 3, rng=1), mg.Sigmoid()], mg.BCELoss(), lambda y: np.eye(3)[y]),
    ],
)
def test_a_saved_net_is_diagnosed_on_the_data_as_they_come(run, tmp_path, last, loss, targets):
    net = mg.Sequential(mg.Linear(4, 8, rng=0), mg.Tanh(), *last)
    mg.save(net, tmp_path / "net.npz")
    x, y, _, _ = mg.datasets.load("iris")
    d = mg.diagnose(net, loss, x, targets(y), mg.SGD(0.5), epochs=30)
    assert json.loads(run(f"diagnose --data iris --net {tmp_path}/net.npz --json")[1]) == json.loads(d.to_json())


def test_a_trained_net_takes_its_scaling_with_it(run, tmp_path):
    assert run(f"train --data moons --epochs 3 --scale standard --save {tmp_path}/net.npz")[0] == 0
    assert run(f"diagnose --data moons --net {tmp_path}/net.npz")[0] == 0


def test_the_page_is_written_and_the_text_printed_all_the_same(run, tmp_path):
    code, out, _ = run(f"{BROKEN} --html {tmp_path}/why.html")
    assert code == 1
    assert out == run(BROKEN)[1]
    html = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")
    assert out.splitlines()[0] in html


# ---- mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--lr 0", "above 0"),
        ("--epochs 0", "--epochs: expected a whole number from 1"),
        ("--momentum 0.9 --optimizer adam", "--optimizer sgd"),
        ("--net a.npz --hidden 3", "--hidden is of a new net, --net a.npz is one already"),
        ("--net a.npz --activation tanh", "--activation is of a new net"),
        ("--net a.npz --init zeros", "--init is of a new net"),
        ("--scale big", "standard"),
        ("--net", "expected one argument"),
    ],
)
def test_wrong_usage_is_2(run, line, words):
    code, out, err = run(f"diagnose {line}")
    assert (code, out) == (2, "")
    assert words in err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--data didgits", "digits, iris"),
        ("--data xor --html {tmp}/no/why.html", "there is no folder"),
        ("--data xor --html {tmp}", "is a folder"),
        ("--net {tmp}/none.npz", "none.npz: No such file"),
        ("--net {tmp}/text.npz", "not a minigrad"),
        ("--net {tmp}/net.npz --data digits", "{tmp}/net.npz takes 2 numbers a sample, digits has 64"),
        ("--net {tmp}/net.npz --data spirals", "{tmp}/net.npz has 2 outputs, spirals has classes 0 to 2"),
    ],
)
def test_mistakes_are_one_line_and_1(run, tmp_path, line, words):
    (tmp_path / "text.npz").write_text("not a net")
    mg.save(mg.mlp([2, 3, 2], rng=0), tmp_path / "net.npz")
    before = sorted(tmp_path.iterdir())
    code, out, err = run(f"diagnose {line}".format(tmp=tmp_path))
    assert (code, out) == (1, "")
    assert err.startswith("minigrad: ")
    assert err.count("\n") == 1
    assert words.format(tmp=tmp_path) in err
    assert sorted(tmp_path.iterdir()) == before


# ---- train --diagnose ------------------------------------------------------------------------------------


def test_train_says_the_verdict_first_and_goes_on(run, tmp_path):
    line = "train --data iris --lr 500 --save {}"
    plain = run(line.format(tmp_path / "a.npz"))
    code, out, _ = run(f"{line.format(tmp_path / 'b.npz')} --diagnose")
    assert code == plain[0] == 0
    lines = out.splitlines()
    told = next(i for i, text in enumerate(lines) if text.startswith("diagnosis: The net does not learn: lr_high"))
    assert told < next(i for i, text in enumerate(lines) if "epochs, " in text)
    assert quality(out) == quality(plain[1])
    a, b = (mg.load(tmp_path / name).state_dict() for name in ("a.npz", "b.npz"))
    np.testing.assert_equal(a, b)  # the diagnosis changed nothing
    assert "diagnosis" not in plain[1]


def test_without_an_epoch_there_is_nothing_to_diagnose(run):
    code, out, _ = run("train --data xor --epochs 0 --diagnose")
    assert code == 0
    assert "diagnosis" not in out


def test_defaults_of_the_net_are_those_of_train():
    parser = argparse.ArgumentParser()
    train.add_options(parser)
    assert {name: parser.get_default(name) for name in command.NEW} == command.NEW
