"""Any command line: exit code 0, 1 or 2, one paragraph on stderr where it fails, and no file that nobody asked for."""

import contextlib
import functools
import io
import os
import shutil
import struct
from pathlib import Path

import pytest
from fuzz_runner import CASES, run_fuzz

import minigrad as mg
from minigrad import datasets
from minigrad.cli import main as cli
from minigrad.report import make as report

ODD = [
    "", " ", "-", "--", "-1", "0", "1", "-0", "0.5", "1e-5", "1e308", "1e999", "nan", "inf", "-inf", "1_0", "٣", "½",
    "²", "1e2", "0x10", "9" * 30, "9" * 400, "9" * 5000, "x", "sigmoid", "Sigmoid", "SGD", "iris", "Q1", "q99", "Q1,Q1",
    "1,2", "0,0", ",", "1,,2", "8,x", "None", "ünï ☃", "\udcff", "a\0b", "%s", "{0}", "file", "folder", "folder/new",
    "missing/new", "good.npz", "bad.npz", ".", "./iris", "tiny", "x" * 300, "--epochs", "-h", "@file",
]  # fmt: skip
TRAIN = {
    "--data": ["iris", "moons", "xor", "tiny", "digits", "table.csv", "table.csv"],
    "--target": ["kind", "size", "size,kind", "colour"],
    "--test": ["0", "0.5"],
    "--missing": ["mean", "refuse"],
    "--ignore": ["colour", "size,colour"],
    "--classes": [None],
    "--regression": [None],
    "--hidden": ["4", "0", "3,2", "2, 2"],
    "--activation": ["sigmoid", "relu", "gelu"],
    "--init": ["zeros", "he_normal", "tanh_equivalent"],
    "--optimizer": ["sgd", "adam", "adamw", "rmsprop"],
    "--lr": ["0.1", "1e-3", "1e30", "1e300"],
    "--momentum": ["0", "0.9"],
    "--epochs": ["0", "1", "2"],
    "--batch-size": ["1", "16", "1000"],
    "--seed": ["0", "7", "9" * 30],
    "--scale": ["none", "unit", "standard"],
    "--save": ["new.npz", "good.npz", "folder/new.npz", "missing/new.npz", "folder", "file"],
    "--checkpoint": ["run.npz", "bad.npz", "good.npz", "folder/run"],
}
REPORT = {"--out": ["out", "folder", "file", "missing/out"], "--only": ["Q1", "Q2,Q7"], "--seed": ["1"],
          "--data": ["iris", "tiny"], "--jobs": ["1", "2"], "--full": [None]}  # fmt: skip
PREDICT = {"--out": ["answers", "folder", "missing/out", "good.npz"], "--probabilities": [None]}
COMMANDS = {"train": TRAIN, "evaluate": {"--data": TRAIN["--data"]}, "predict": PREDICT, "report": REPORT}
TABLE = "size,colour,kind\n1,red,rose\n2,blue,lily\n4,red,lily\n8,blue,rose\n9,,rose\n"
SAID = ("minigrad: warning: ", "minigrad: table.csv: columns that the net does not use: ")
WRITTEN = ("--save", "--checkpoint", "--out")


@pytest.fixture(scope="module", autouse=True)
def a_small_place(tmp_path_factory):
    """A folder with some files, data that are read once, and a report without its studies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("cli"))
        patch.setattr(os, "fsync", lambda file: None)
        patch.setattr(report, "workers", lambda jobs: contextlib.nullcontext())
        patch.setattr(report, "run_one", lambda config, study, claims, results: results.missing.clear())
        real, once = datasets.load, functools.lru_cache(datasets.load)
        patch.setattr(
            datasets, "load", lambda name: [a.copy() for a in once("iris" if name == "digits" else name)]
            if name in datasets.NAMES else real(name)
        )  # fmt: skip
        yield


def furnish():
    """What is in the folder before each command."""
    for entry in os.listdir():
        shutil.rmtree(entry) if os.path.isdir(entry) else os.remove(entry)
    Path("file").write_text("text")
    os.makedirs("folder")
    os.makedirs("tiny")
    for part in ("train", "t10k"):
        images = struct.pack(">HBBIII", 0, 8, 3, 4, 2, 2) + bytes(range(16))
        Path("tiny", f"{part}-images-idx3-ubyte").write_bytes(images)
        Path("tiny", f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 4) + b"\0\1\0\1")
    Path("table.csv").write_text(TABLE)
    encoder = datasets.load_table("table.csv", "kind", missing="mean", test=0)[-1]
    mg.save(mg.mlp([3, 2], rng=0), "table.npz", encoder=encoder)
    mg.save(mg.mlp([4, 3], rng=0), "good.npz")
    Path("bad.npz").write_bytes(Path("good.npz").read_bytes()[:-50])
    return listing()


def listing():
    return {os.path.join(place, name) for place, _, names in os.walk(".") for name in names}


def command_line(draw):
    """Mostly options of a command with values that fit them; now and then anything."""
    command = draw.choice([*COMMANDS, "train", "train"])
    other = draw.choice([[], ["trian"], ["--help"], ["--version"], ["-x", command]])
    words = [command] if draw.random() < 0.95 else other
    if command in ("evaluate", "predict"):
        words.append(draw.choice(["good.npz", "table.npz", "bad.npz", "file", "folder", draw.choice(ODD)]))
    if command == "predict":
        words.append(draw.choice(["table.csv", "table.csv", "file", "folder", draw.choice(ODD)]))
    for _ in range(draw.randint(0, 5)):
        option = draw.choice(list(COMMANDS[command]))
        value = draw.choice(COMMANDS[command][option]) if draw.random() < 0.75 else draw.choice(ODD)
        chance = draw.random()
        if chance < 0.03:
            option = option[: draw.randint(1, len(option))]
        elif chance < 0.06:
            option = draw.choice(["--lrr", "--Epochs", "-e", "--no-such", "--data--", "\udcff", "—epochs"])
        if value is None or chance > 0.98:
            words.append(option)
        else:
            words += [f"{option}={value}"] if chance > 0.9 else [option, value]
    return words


def asked_for(words, name):
    """Does the command name this file, or a folder that it is in?"""
    name = os.path.normpath(name)
    places = [os.path.normpath(word.partition("=")[2] if "=" in word else word) for word in words if word]
    if "." in places or (words[:1] == ["report"] and name.startswith("report")):
        return True
    return any(name == place or name.startswith(place + os.sep) for place in places)


def call_once(draw):
    before, words = furnish(), command_line(draw)
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace"))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(words)
        except SystemExit as end:
            code = end.code
        out.flush(), err.flush()
    text = err.buffer.getvalue().decode()
    assert code in (0, 1, 2), words
    assert "Traceback" not in text
    if code == 0:
        assert all(line.startswith(SAID) for line in text.splitlines() if "minigrad:" in line), (words, text)
    elif text.startswith("usage: minigrad [-h]") and "examples:" in text:
        assert code == 2  # the whole help, where no command was given
    else:
        assert text.startswith(("minigrad: ", "usage: minigrad")), (words, text)
        assert "\n\n" not in text.strip(), (words, text)
        assert len(text) < 2500 + 12 * max(map(len, words)), (words, text)
    left = {name for name in listing() - before if not asked_for(words, name)}
    assert not left, (words, left)
    assert not before - listing(), (words, before - listing())
    return f"exit {code}"


def test_a_command_line_ends_with_a_result_or_one_paragraph():
    run_fuzz("command line", max(0.01 * CASES, 20), call_once)
