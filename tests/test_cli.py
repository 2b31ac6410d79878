"""The command line as a user meets it: what it prints, what it writes, how it ends."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import minigrad as mg
from minigrad.cli import train
from minigrad.layers.activations import ACTIVATIONS
from minigrad.training.optimizers import OPTIMIZERS


def quality(out):
    """The two lines with loss and accuracy."""
    return re.findall(r"^(?:train|test ) +loss.*$", out, flags=re.MULTILINE)


# ---- doing things ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["none", "unit", "standard"])
def test_a_saved_net_takes_the_data_as_they_come(run, tmp_path, scale):
    path = tmp_path / "net.npz"
    trained = run(f"train --data iris --hidden 8 --epochs 3 --lr 0.1 --scale {scale} --save {path}")
    evaluated = run(f"evaluate {path} --data iris")
    assert trained[0] == evaluated[0] == 0
    assert len(quality(trained[1])) == 2
    assert quality(trained[1]) == quality(evaluated[1])
    assert ("part of its first layer" in trained[1]) == (scale != "none")


def test_training_on_digits_learns_them(run, tmp_path):
    path = tmp_path / "net.npz"
    assert run(f"train --data digits --hidden 32 --epochs 12 --save {path}")[0] == 0
    _, _, x, y = mg.datasets.load("digits")
    assert mg.accuracy(mg.load(path)(x), y) > 0.9


def test_scaling_is_folded_into_the_first_layer_exactly(rng):
    net, x = mg.mlp([3, 4, 2], rng=1), rng.normal(5.0, 3.0, (20, 3))
    shift, spread = np.array([4.0, -1.0, 0.5]), np.array([2.0, 0.25, 8.0])
    before = net((x - shift) / spread)
    train.fold(net, shift, spread)
    np.testing.assert_allclose(net(x), before, rtol=1e-12)


def test_the_last_table_tells_sigmoid_from_tanh(run):
    rows = {}
    for activation in ("sigmoid", "tanh"):
        options = f"--hidden 6,5 --activation {activation} --epochs 1 --scale standard"
        lines = run(f"train --data moons {options}")[1].splitlines()
        rows[activation] = {line[0]: line.split() for line in lines if re.match(r"\d Linear", line)}
    assert list(rows["sigmoid"]) == ["0", "2", "4"]
    # columns from the right: rows of a batch, rows of one sample, spread and mean of a, |delta|
    assert [rows["sigmoid"][layer][-2] for layer in "24"] == ["100.0%", "100.0%"]
    assert all(float(rows["tanh"][layer][-2][:-1]) < 60 for layer in "24")
    assert 0.2 < float(rows["sigmoid"]["2"][-4]) < 0.8
    assert abs(float(rows["sigmoid"]["0"][-4])) < 0.01  # standard scaling has centred the data
    assert all(float(row[-5]) > 0 for row in rows["sigmoid"].values())


@pytest.mark.parametrize(
    ("options", "net", "opt", "others"),
    [
        ("", {}, lambda: mg.SGD(0.5), {}),
        ("--seed 3", {"rng": 3}, lambda: mg.SGD(0.5), {"rng": 3}),
        ("--momentum 0.9 --lr 0.1", {}, lambda: mg.SGD(0.1, momentum=0.9), {}),
        ("--optimizer rmsprop", {}, lambda: mg.RMSprop(0.01), {}),
        ("--optimizer adam --batch-size 7", {}, lambda: mg.Adam(0.01), {"batch_size": 7}),
        ("--optimizer adamw --lr 0.02", {}, lambda: mg.AdamW(0.02), {}),
        ("--activation tanh --epochs 3", {"activation": "tanh"}, lambda: mg.SGD(0.5), {"epochs": 3}),
        ("--init he_normal", {"init": "he_normal"}, lambda: mg.SGD(0.5), {}),
        ("--init tanh_equivalent", {"init": "tanh_equivalent"}, lambda: mg.SGD(0.5), {}),
        ("--hidden 4,3", {"sizes": [2, 4, 3, 2]}, lambda: mg.SGD(0.5), {}),
    ],
)
def test_every_option_reaches_the_run(run, tmp_path, options, net, opt, others):
    """To the bits of the same run in Python; without an option, with the defaults that the help names."""
    path = tmp_path / "net.npz"
    epochs = "" if "epochs" in others else "--epochs 2"
    assert run(f"train --data moons --scale none {epochs} {options} --save {path}")[0] == 0
    x, y, _, _ = mg.datasets.load("moons")
    expected = mg.mlp(**({"sizes": [2, 32, 2], "rng": 0} | net))
    settings = {"epochs": 2, "batch_size": 32, "rng": 0, "progress": False} | others
    mg.fit(expected, mg.CrossEntropyLoss(), opt(), x, y, **settings)
    np.testing.assert_equal(mg.load(path).state_dict(), expected.state_dict())


@pytest.mark.parametrize("scale", ["unit", "standard"])
def test_the_scaling_is_that_of_the_training_data_alone(run, tmp_path, monkeypatch, scale):
    """What is known of the test data before they are tested on is known too early."""
    x, y, x_test, y_test = mg.datasets.load("iris")
    monkeypatch.setattr(mg.datasets, "load", lambda _: (x.copy(), y, 100 * x_test - 30, y_test))
    path = tmp_path / "net.npz"
    code, out, _ = run(f"train --data iris --hidden 5 --epochs 0 --seed 3 --scale {scale} --save {path}")
    assert code == 0
    shift, spread = (x.mean(axis=0), x.std(axis=0)) if scale == "standard" else (x.min(), x.max() - x.min())
    first, loss = mg.mlp([4, 5, 3], rng=3), mg.CrossEntropyLoss()
    np.testing.assert_allclose(mg.load(path)(x), first((x - shift) / spread), rtol=1e-9, atol=1e-9)
    for line, (inputs, targets) in zip(quality(out), ((x, y), (100 * x_test - 30, y_test)), strict=True):
        output = first((inputs - shift) / spread)
        assert float(line.split()[2]) == pytest.approx(loss(output, targets), rel=1e-3)
        assert float(line.split()[4]) == pytest.approx(np.mean(output.argmax(axis=1) == targets), abs=1e-4)


def counted(updates):
    """Of the rows of updates (..., K, J) that are not zero: percent without two signs; row by row."""
    rows = [row for row in updates.reshape(-1, updates.shape[-1]) if any(row)]
    return f"{100 * sum(not (max(row) > 0 > min(row)) for row in rows) / len(rows):.1f}%" if rows else "all zero"


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("batch_size", [1, 4, 10, 99])
def test_the_numbers_of_the_last_table(capsys, rng, activation, batch_size):
    """Silent units and a last batch of two samples included."""
    net, x, y = mg.mlp([5, 4, 3], activation, rng=3), rng.standard_normal((10, 5)), rng.integers(0, 3, 10)
    net[0].bias[:2] = -100  # silent, or saturated
    train.print_layers(net, mg.CrossEntropyLoss(), x, y, batch_size)
    lines = capsys.readouterr().out.splitlines()[-2:]
    for line, (path, g) in zip(lines, mg.backprop(net, mg.CrossEntropyLoss(), x, y).gradients.items(), strict=True):
        one = g.per_sample()
        batches = [one[i : i + batch_size].sum(axis=0) for i in range(0, 10, batch_size)]
        size = sum(np.sqrt(sum(d**2)) for d in g.delta) / 10
        spread = np.sqrt(np.mean([np.mean((unit - unit.mean()) ** 2) for unit in g.a.T]))
        expected = [f"{size:.3g}", f"{g.a.mean():.3f}", f"{spread:.3g}", counted(one), counted(np.array(batches))]
        assert line.split(")")[1].split() == expected
        assert line.startswith(f"{path} Linear(")


def test_a_layer_without_a_gradient_says_so_in_the_last_table(capsys):
    net = mg.mlp([2, 3, 2], "relu", rng=0)
    net[0].bias[...] = -100
    train.print_layers(net, mg.MSELoss(), np.ones((5, 2)), np.zeros((5, 2)), 2)
    first, second = capsys.readouterr().out.splitlines()[-2:]
    assert first.endswith("    all zero  all zero")
    assert second.endswith("    all zero  all zero")  # delta is not zero, but a is


def test_hidden_layers_can_be_given_in_any_way(run):
    for options, sizes in (
        ("--hidden 5,4", "2, 5 5, 4 4, 2"),
        ("--hidden 5 --hidden 4", "2, 5 5, 4 4, 2"),
        ("--hidden 0", "2, 2"),
        ("", "2, 32 32, 2"),
    ):
        code, out, _ = run(f"train --data xor --epochs 0 {options}")
        assert code == 0
        net = next(line for line in out.splitlines() if line.startswith("net:"))
        assert " ".join(re.findall(r"Linear\((.*?)\)", net)) == sizes


@pytest.mark.parametrize("optimizer", ["sgd --momentum 0.9", *OPTIMIZERS])
def test_every_optimizer_learns(run, optimizer):
    code, out, _ = run(f"train --data blobs --hidden 8 --epochs 20 --optimizer {optimizer}")
    assert code == 0
    assert float(quality(out)[1].split()[-1]) > 0.9


def test_what_is_in_the_package_can_be_chosen_without_being_listed(run, tmp_path, monkeypatch):
    """An activation and an optimizer appear on the command line by being written; a reader's own optimizer does not."""

    class Slow(mg.SGD):
        pass

    path = tmp_path / "net.npz"
    assert "--optimizer" in run("train --data xor --epochs 1 --optimizer slow")[2]
    monkeypatch.setitem(OPTIMIZERS, "slow", Slow)
    code, out, _ = run(f"train --data xor --epochs 1 --optimizer slow --activation softplus --save {path}")
    assert (code, "optimizer: Slow(lr=0.01" in out) == (0, True)
    public = [getattr(mg, name) for name in mg.__all__]
    ours = {thing.__name__.lower() for thing in public if isinstance(thing, type) and issubclass(thing, mg.Optimizer)}
    assert set(OPTIMIZERS) == (ours - {"optimizer"}) | {"slow"}
    chosen = " ".join(run("train --help")[1].split())
    assert f"of the hidden neurons: {', '.join(ACTIVATIONS)} (default: sigmoid)" in chosen
    assert f"follow the gradient: {', '.join(OPTIMIZERS)} (default: sgd)" in chosen


def test_a_checkpoint_goes_on_where_it_stopped(run, tmp_path):
    once, twice = tmp_path / "once.npz", tmp_path / "twice.npz"
    line = "train --data moons --hidden 4 --lr 0.1 --epochs {} --save {} --checkpoint {}"
    run(line.format(4, once, tmp_path / "a"))
    run(line.format(1, twice, tmp_path / "b"))
    for epochs, option in ((2, "--checkpoint {}"), (3, "--resume {}"), (4, "--resume --checkpoint {}")):
        code, out, _ = run(line.replace("--checkpoint {}", option).format(epochs, twice, tmp_path / "b"))
        assert code == 0
        assert f"going on from {tmp_path / 'b'}" in out
    np.testing.assert_equal(mg.load(twice).state_dict(), mg.load(once).state_dict())


def test_nets_with_one_output_can_be_evaluated(run, tmp_path):
    x, y, _, _ = mg.datasets.load("moons")
    for name, last in (("logit", []), ("probability", [mg.Sigmoid()])):
        net = mg.Sequential(mg.Linear(2, 8, rng=0), mg.Tanh(), mg.Linear(8, 1, rng=1), *last)
        loss = mg.BCELoss() if last else mg.BCEWithLogitsLoss()
        mg.fit(net, loss, mg.Adam(lr=0.02), x, y[:, None].astype(float), epochs=5, rng=0, progress=False)
        mg.save(net, tmp_path / f"{name}.npz")
        code, out, _ = run(f"evaluate {tmp_path / name}.npz --data moons")
        assert code == 0
        shown = quality(out)[0].split()
        assert float(shown[2]) == pytest.approx(loss(net(x), y[:, None].astype(float)), rel=1e-3)
        assert float(shown[4]) == pytest.approx(mg.accuracy(net(x), y, loss.threshold), abs=1e-4)


def test_evaluate_sees_the_net_in_eval_mode(run, tmp_path):
    net = mg.Sequential(mg.Linear(2, 8, rng=0), mg.BatchNorm(8), mg.Tanh(), mg.Dropout(0.5, rng=0), mg.Linear(8, 2))
    x, y, x_test, y_test = mg.datasets.load("moons")
    mg.fit(net, mg.CrossEntropyLoss(), mg.Adam(lr=0.02), x, y, epochs=2, rng=0, progress=False)
    mg.save(net.train(), tmp_path / "net.npz")
    lines = [quality(run(f"evaluate {tmp_path / 'net.npz'} --data moons")[1]) for _ in range(2)]
    assert lines[0] == lines[1]  # Dropout would differ
    net.eval()
    for line, data in zip(lines[0], ((x, y), (x_test, y_test)), strict=True):
        assert float(line.split()[2]) == pytest.approx(mg.CrossEntropyLoss()(net(data[0]), data[1]), rel=1e-3)
        assert float(line.split()[4]) == pytest.approx(mg.accuracy(net(data[0]), data[1]), abs=1e-4)


@pytest.mark.parametrize("inside", [False, True])
def test_the_outputs_of_a_sigmoid_are_probabilities_however_many(run, tmp_path, inside):
    end = [mg.Linear(8, 3, rng=1), mg.Sigmoid()]
    net = mg.Sequential(mg.Linear(4, 8, rng=0), mg.Tanh(), *([mg.Sequential(*end)] if inside else end))
    mg.save(net, tmp_path / "net.npz")
    x, y, _, _ = mg.datasets.load("iris")
    line = quality(run(f"evaluate {tmp_path / 'net.npz'} --data iris")[1])[0].split()
    assert float(line[2]) == pytest.approx(mg.BCELoss()(net(x), np.eye(3)[y]), rel=1e-3)
    assert float(line[4]) == pytest.approx(mg.accuracy(net(x), y), abs=1e-4)


# ---- help ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["--help", "train --help", "evaluate --help", "report --help"])
def test_help_shows_examples(run, line):
    code, out, err = run(line)
    assert (code, err) == (0, "")
    assert "examples:" in out
    assert "minigrad" in out


def test_version(run):
    assert run("--version")[:2] == (0, f"minigrad {mg.__version__}\n")


def test_no_command_shows_the_help(run):
    code, out, err = run("")
    assert (code, out) == (2, "")
    assert "minigrad COMMAND --help" in err


# ---- mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fly", "fly"),
        ("train --hidden many", "whole number"),
        ("train --hidden 4,0", "from 1"),
        ("train --hidden -3", "--hidden"),
        ("train --lr 0", "above 0"),
        ("train --lr nan", "above 0"),
        ("train --epochs -1", "epochs"),
        ("train --epochs 2.5", "whole number"),
        ("train --batch-size 0", "from 1"),
        ("train --momentum 1", "below 1"),
        ("train --momentum 0.9 --optimizer adam", "--optimizer sgd"),
        ("train --activation sigmiod", "sigmoid"),
        ("train --scale big", "standard"),
        ("evaluate", "FILE"),
        ("report --only Q13", "unknown claim 'Q13', expected one of: Q1, Q2"),
        ("train --resume", "--resume needs one FILE"),
        ("train --resume a --checkpoint b", "--resume needs one FILE"),
        ("report --jobs 0", "from 1"),
    ],
)
def test_wrong_usage_is_2(run, line, words):
    code, out, err = run(line)
    assert (code, out) == (2, "")
    assert words in err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train --data didgits", "digits, iris"),
        ("train --data {tmp}", "train-images-idx3-ubyte"),
        ("train --data xor --save {tmp}/no/net.npz", "there is no folder"),
        ("train --data xor --save {tmp}", "is a folder"),
        ("train --data xor --checkpoint {tmp}/no/run", "there is no folder"),
        ("train --data xor --resume {tmp}/run", "no such file"),
        ("train --data xor --activation relu --init tanh_equivalent", "tanh_equivalent"),
        ("train --data digits --activation relu --scale none --lr 1e200 --epochs 2", "smaller lr"),
        ("evaluate {tmp}/none.npz", "none.npz: No such file"),
        ("evaluate {tmp}/text.npz", "not a minigrad"),
        ("report --data {tmp}/text.npz", "or a folder with IDX files; '{tmp}/text.npz' is a file"),
        ("train --data {tmp}/nothing", "'{tmp}/nothing' is neither"),
        ("evaluate {tmp}/net.npz --data {tmp}/text.npz", "{tmp}/net.npz holds a net without the columns of a table"),
        ("report --data {tmp}/text.npz --out {tmp}/report", "--data: expected one of digits, iris,"),
        ("evaluate {tmp}/net.npz --data digits", "{tmp}/net.npz takes 2 numbers a sample, digits has 64"),
        ("evaluate {tmp}/any.npz --data digits", "any.npz does not take the 64 numbers a sample of digits: input of"),
        ("evaluate {tmp}/net.npz --data spirals", "{tmp}/net.npz has 2 outputs, spirals has classes 0 to 2"),
        ("evaluate {tmp}/one.npz --data spirals", "one.npz has 1 output, which tells 2 classes apart, spirals has"),
    ],
)
def test_mistakes_are_one_line_and_1(run, tmp_path, line, words):
    (tmp_path / "text.npz").write_text("not a net")
    mg.save(mg.mlp([2, 3, 2], rng=0), tmp_path / "net.npz")
    mg.save(mg.mlp([2, 1], rng=0), tmp_path / "one.npz")
    mg.save(mg.Sequential(mg.Tanh(), mg.Linear(2, 2)), tmp_path / "any.npz")
    before = sorted(tmp_path.iterdir())
    with np.errstate(all="ignore"):
        code, _, err = run(line.format(tmp=tmp_path))
    assert code == 1
    assert err.startswith("minigrad: ")
    assert err.count("\n") == 1
    assert words.format(tmp=tmp_path) in err
    assert sorted(tmp_path.iterdir()) == before  # nothing was begun


@pytest.mark.parametrize("option", ["--checkpoint", "--resume"])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("other", ["run", "./run", "link", "folder/../run", "folder link/run"])
def test_the_net_and_the_checkpoint_are_two_files(run, tmp_path, monkeypatch, other, there, option):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder link").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to("run")
    if there or option == "--resume":
        (tmp_path / "run").write_text("whatever")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()}
    code, out, err = run(["train", "--data", "xor", "--save", other, option, "run"])
    assert (code, out) == (2, "")
    assert f"--save {other} and the checkpoint run are one file" in err
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()} == before


# ---- as a process ----------------------------------------------------------------------------------------

MINIGRAD = [sys.executable, "-m", "minigrad"]


def test_python_m_minigrad():
    line = [*MINIGRAD, "train", "--data", "nowhere"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="there Ctrl-C cannot be sent to one process")
@pytest.mark.skipif(signal.getsignal(signal.SIGINT) == signal.SIG_IGN, reason="Ctrl-C is ignored here, as under nohup")
def test_ctrl_c_is_130_and_keeps_the_checkpoint(tmp_path):
    line = ["train", "--data", "moons", "--epochs", "1000000", "--checkpoint", str(tmp_path / "run")]
    process = subprocess.Popen([*MINIGRAD, *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    try:
        while not (tmp_path / "run").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "the net is as after epoch" in err
    assert err.endswith("minigrad: interrupted\n")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_output_into_a_closed_pipe(tmp_path):
    process = subprocess.Popen([*MINIGRAD, "train", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.wait(60)
    process.stderr.close()
