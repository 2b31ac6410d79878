"""A table on the command line: train, evaluate, predict and diagnose, as someone with a CSV file meets them."""

import csv
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Each test is in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def write(path, names, rows, **dialect):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, **dialect).writerows([names, *rows])


@pytest.fixture
def flowers(tmp_path):
    """A table of 90 flowers, whose size and colour tell their kind; and the same with the columns in another order."""
    rng = np.random.default_rng(5)
    kind = np.repeat(["daisy", "lily", "rose"], 30)
    size = np.repeat([2.0, 5.0, 5.5], 30) + rng.normal(0, 0.3, 90)
    colour = [rng.choice(["red", "white"]) if k == "rose" else "white" for k in kind]
    weight = 3 * size + rng.normal(0, 0.1, 90)
    wild = rng.choice(["true", "false"], 90)
    rows = list(zip(size.tolist(), colour, weight.tolist(), wild, kind, strict=True))
    write(tmp_path / "mine.csv", [" size ", "colour", "weight", "wild", "kind"], rows)
    write(
        tmp_path / "new.csv", ["note", "wild", "kind", "weight", "size", "colour"],
        [("x, y", w, k, g, s, c) for s, c, g, w, k in rows], delimiter=";",
    )  # fmt: skip
    return rows


def test_from_train_to_predict(run, flowers, tmp_path):
    code, out, err = run("train --data mine.csv --target kind --hidden 8 --epochs 40 --save net.npz")
    assert (code, err) == (0, "")
    assert "mine.csv: 72 samples to train on, 18 to test on, 5 numbers each" in out
    assert "inputs: numbers, standardised: 'size', 'weight'" in out
    assert "inputs: true or false, as 1 and 0: 'wild'" in out
    assert "inputs: text, one-hot: 'colour', an input for each of 'red', 'white'" in out
    assert "target: 'kind', 3 classes: 'daisy', 'lily', 'rose'" in out
    assert float(re.search(r"^test .*accuracy (.*)$", out, flags=re.MULTILINE)[1]) > 0.6

    code, out, err = run("predict net.npz new.csv")
    assert (code, err) == (0, "minigrad: new.csv: columns that the net does not use: 'note', 'kind'\n")
    answers = out.splitlines()
    net, encoder = mg.load("net.npz"), mg.datasets.load_encoder("net.npz")
    size, weight = encoder.features[0], encoder.features[2]
    x = [
        [(s - size.mean) / size.spread, c == "red", c == "white", (g - weight.mean) / weight.spread, w == "true"]
        for s, c, g, w, _ in flowers
    ]
    assert answers == [encoder.target.names[k] for k in net(np.array(x, float)).argmax(axis=1)]

    assert run("predict net.npz mine.csv --out answers.txt")[:2] == (0, "")
    assert (tmp_path / "answers.txt").read_text() == out

    code, out, _ = run("evaluate net.npz --data new.csv")
    right = np.mean([answer == row[-1] for answer, row in zip(answers, flowers, strict=True)])
    assert (code, f"accuracy {right:.4f}" in out) == (0, True)
    for kind in ("daisy", "lily", "rose"):
        true, said = np.array([row[-1] for row in flowers]) == kind, np.array(answers) == kind
        line = next(line for line in out.splitlines() if line.startswith(kind)).split()
        assert line == [kind, "30", f"{(true & said).sum() / 30:.4f}", f"{(true & said).sum() / said.sum():.4f}"]


def test_probabilities_are_a_table_of_their_own(run, flowers):
    run("train --data mine.csv --target kind --hidden 8 --epochs 5 --save net.npz")
    code, out, _ = run("predict net.npz mine.csv --probabilities")
    header, *rows = list(csv.reader(out.splitlines()))
    assert (code, header) == (0, ["daisy", "lily", "rose"])
    encoder = mg.datasets.load_encoder("net.npz")
    logits = mg.load("net.npz")(encoder.inputs(encoder.read("mine.csv")))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.array(rows, float), expected, rtol=1e-12)


@pytest.mark.parametrize("target", [["weight"], ["weight", "size"]])
def test_regression_is_reported_in_the_units_of_the_table(run, flowers, target):
    code, out, _ = run(f"train --data mine.csv --target {','.join(target)} --hidden 8 --epochs 30 --save net.npz")
    assert (code, "standardised numbers" in out) == (0, True)
    code, out, _ = run("predict net.npz mine.csv")
    found = np.array([[float(number) for number in line.split(",")] for line in out.splitlines()])
    assert found.shape == (90, len(target))
    true = np.array([[{"weight": row[2], "size": row[0]}[name] for name in target] for row in flowers])
    encoder = mg.datasets.load_encoder("net.npz")
    output = mg.load("net.npz")(encoder.inputs(encoder.read("mine.csv")))
    np.testing.assert_array_equal(found, output * encoder.target.spread + encoder.target.mean)  # in all digits
    code, out, _ = run("evaluate net.npz --data mine.csv")
    for i, name in enumerate(target):
        error = np.mean((found[:, i] - true[:, i]) ** 2)
        which = f"{name}: " if len(target) > 1 else ""
        assert f"{which}R2 {1 - error / np.var(true[:, i]):.4f}, RMSE {error**0.5:.4g}" in out
    assert "recall" not in out


def test_a_guess_can_be_overruled(run, flowers, tmp_path):
    write(tmp_path / "stars.csv", ["x", "stars"], [(i * i, i % 5) for i in range(50)])
    assert "5 classes" in run("train --data stars.csv --target stars --epochs 1")[1]
    assert "standardised numbers" in run("train --data stars.csv --target stars --epochs 1 --regression")[1]
    assert run("train --data mine.csv --target kind --epochs 1 --classes")[0] == 0
    code, _, err = run("train --data mine.csv --target kind --epochs 1 --regression")
    assert (code, "column 'kind': 'daisy' is no number" in err) == (1, True)


def test_the_options_reach_the_run(run, flowers):
    """To the bits of the same run in Python."""
    options = "--test 0.5 --ignore colour,wild --seed 3 --missing mean"
    assert run(f"train --data mine.csv --target kind --hidden 4 --epochs 2 {options} --save net.npz")[0] == 0
    settings = {"test": 0.5, "ignore": ["colour", "wild"], "missing": "mean", "rng": 3}
    x, y, x_test, _, encoder = mg.datasets.load_table("mine.csv", "kind", **settings)
    assert (x.shape, len(x_test)) == ((45, 2), 45)
    net = mg.mlp([2, 4, 3], activation="sigmoid", rng=3)
    mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(lr=0.5), x, y, epochs=2, rng=3, progress=False)
    np.testing.assert_equal(mg.load("net.npz").state_dict(), net.state_dict())
    assert mg.datasets.load_encoder("net.npz") == encoder


def test_without_a_part_to_test_on(run, flowers):
    code, out, _ = run("train --data mine.csv --target kind --epochs 1 --test 0")
    assert (code, "90 samples to train on, 0 to test on" in out, "\ntest " in out) == (0, True, False)


def test_a_checkpoint_goes_on_where_it_stopped(run, flowers):
    line = "train --data mine.csv --target kind --hidden 4 --epochs {} --save {} --checkpoint {}"
    run(line.format(4, "once.npz", "a"))
    run(line.format(2, "twice.npz", "b"))
    code, out, _ = run(line.format(4, "twice.npz", "b").replace("--checkpoint", "--resume"))
    assert (code, "going on from b" in out) == (0, True)
    np.testing.assert_equal(mg.load("twice.npz").state_dict(), mg.load("once.npz").state_dict())
    code, _, err = run(line.format(5, "twice.npz", "b") + " --seed 1")
    assert (code, "belongs to a run with another" in err) == (1, True)


def test_diagnose_a_table(run, flowers):
    code, out, _ = run("diagnose --data mine.csv --target kind --epochs 5")
    assert (code, "The net learns" in out) == (0, True)
    code, out, _ = run("diagnose --data mine.csv --target size --ignore weight --lr 10")
    assert (code, "fault  lr_high" in out) == (1, True)
    run("train --data mine.csv --target weight --save net.npz")
    code, out, err = run("diagnose --net net.npz --data new.csv --json --lr 0.05")
    assert (code, err) == (0, "minigrad: new.csv: columns that the net does not use: 'note'\n")
    assert json.loads(out)
    assert "diagnosis: " in run("train --data mine.csv --target kind --epochs 2 --diagnose")[1]


def test_names_with_commas(run, tmp_path):
    write(tmp_path / "t.csv", ["a, b", "c", "d"], [(i * i, i**3, i**4 - 30 * i) for i in range(20)])
    assert "target: 'a, b', standard" in run(["train", "--data", "t.csv", "--target", "a, b", "--epochs", "1"])[1]
    assert (
        "target: 'a, b', 'd', standard" in run(["train", "--data", "t.csv", "--target", '"a, b",d', "--epochs", "1"])[1]
    )


def test_an_empty_table_has_no_answers(run, flowers, tmp_path):
    run("train --data mine.csv --target kind --epochs 1 --save net.npz")
    write(tmp_path / "none.csv", ["size", "colour", "weight", "wild"], [])
    assert run("predict net.npz none.csv") == (0, "", "")
    assert run("predict net.npz none.csv --probabilities") == (0, "daisy,lily,rose\n", "")
    write(tmp_path / "none.csv", ["size", "weight", "wild"], [])
    code, out, err = run("predict net.npz none.csv")
    assert (code, out, "none.csv has no column 'colour'" in err) == (1, "", True)


@given(st.permutations(range(5)), st.lists(st.integers(0, 89), max_size=5))
def test_neither_order_of_columns_nor_of_rows_matters(tmp_path_factory, order, rows):
    folder = tmp_path_factory.getbasetemp()
    rng = np.random.default_rng(0)
    names = ["a", "b", "c", "d", "y"]
    table = [[*rng.normal(size=3).tolist(), "pqr"[i % 3], f"k{i % 2}"] for i in range(90)]
    write(folder / "order.csv", names, table)
    x, _, _, _, encoder = mg.datasets.load_table(folder / "order.csv", "y", test=0)
    net = mg.mlp([encoder.width, 3, 2], rng=0)
    write(folder / "other.csv", [names[i] for i in order], [[table[row][i] for i in order] for row in rows])
    found = encoder.inputs(encoder.read(folder / "other.csv"))
    np.testing.assert_array_equal(found, x[rows])
    assert not rows or encoder.answers(net(found)) == [f"k{k}" for k in net(x[rows]).argmax(axis=1)]


# ---- mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (
            "train --data mine.csv",
            2,
            "say with --target which column is to be learned: size, colour, weight, wild, kind",
        ),
        ("train --data mine.csv --target knd", 1, "mine.csv has no column 'knd'; is it 'kind'?"),
        ("train --data mine.csv --target kind --scale unit", 2, "--scale goes with data sets"),
        ("train --data mine.csv --target kind --ignore colur", 1, "no column 'colur'; is it 'colour'?"),
        ("train --data mine.csv --target kind --classes --regression", 2, "not allowed with argument --classes"),
        ("train --data mine.csv --target kind --test 1", 2, "from 0 to below 1"),
        ("train --data digits --target kind", 2, "--target is an option of a table, digits is none"),
        ("train --data iris --regression", 2, "--regression is an option of a table, iris is none"),
        ("train --data iris --test 0.3", 2, "--test is an option of a table"),
        ("train --data nothing.csv --target kind", 1, "nothing.csv: there is no such file"),
        ("train --data mine.csv --target kind --save no/net.npz", 1, "there is no folder"),
        ("predict net.npz", 2, "TABLE"),
        ("predict net.npz nothing.csv", 1, "nothing.csv: No such file"),
        ("predict none.npz mine.csv", 1, "none.npz: No such file"),
        ("predict mine.csv mine.csv", 1, "mine.csv is not a minigrad file"),
        ("predict plain.npz mine.csv", 1, "plain.npz holds a net without the columns of a table"),
        ("predict other.npz mine.csv", 1, "mine.csv has no column 'width'"),
        ("predict net.npz mine.csv --out no/answers", 1, "there is no folder"),
        (
            "predict numbers.npz mine.csv --probabilities",
            1,
            "--probabilities goes with classes, numbers.npz learned numbers",
        ),
        ("evaluate net.npz --data bare.csv", 1, "bare.csv has no column 'kind'"),
        ("evaluate net.npz --data none.csv", 1, "none.csv has the names of its columns but no rows"),
        ("evaluate plain.npz --data mine.csv", 1, "plain.npz holds a net without the columns of a table"),
        ("evaluate net.npz", 1, "net.npz takes 5 numbers a sample, digits has 64"),
        (
            "diagnose --net net.npz --data mine.csv --target kind",
            2,
            "--target is an option of a table, and --net net.npz",
        ),
        ("diagnose --net net.npz --data mine.csv --scale unit", 2, "--scale"),
    ],
)
def test_mistakes_are_told_from_one_another(run, flowers, tmp_path, line, code, words):
    for name, target in (("net", "kind"), ("numbers", "weight")):
        run(f"train --data mine.csv --target {target} --epochs 1 --save {name}.npz")
    mg.save(mg.mlp([5, 3], rng=0), tmp_path / "plain.npz")
    write(tmp_path / "other.csv", ["width", "y"], [(i * i, i % 2) for i in range(9)])
    run("train --data other.csv --target y --epochs 1 --save other.npz")
    write(tmp_path / "bare.csv", ["size", "colour", "weight", "wild"], [(1, "red", 2, "true")])
    write(tmp_path / "none.csv", ["size", "colour", "weight", "wild", "kind"], [])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    found, _, err = run(line)
    assert (found, words in err) == (code, True), err
    assert err.count("\n") == 1 or code == 2 or "does not use" in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
