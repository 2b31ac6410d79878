"""The progress bar and the lines on stderr: shown where somebody looks, and never what ends a run."""

import io
import subprocess
import sys
import time
import types
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad.cli import main as cli
from minigrad.training.progress import progress, say


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Mute:
    """A stand-in that can write and nothing else, as some logging set-ups put it there."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


class Broken(Terminal):
    def write(self, text=""):
        raise OSError(5, "Input/output error")

    flush = write


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


def closed_handle():
    stream = open("/dev/null", "w")  # noqa: SIM115
    stream.close()
    return stream


STREAMS = {
    "none": lambda: None,
    "closed": closed,
    "closed handle": closed_handle,
    "write alone": Mute,
    "nothing at all": object,
    "broken": Broken,
    "ascii": lambda: io.TextIOWrapper(io.BytesIO(), "ascii"),
}


# pytest puts its own stderr back between fixtures and test, so each test has to do this by itself.
def put(monkeypatch, kind):
    stream = STREAMS[kind]()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


@pytest.mark.parametrize("kind", STREAMS)
def test_a_run_and_a_sweep_need_no_stderr(kind, monkeypatch):
    put(monkeypatch, kind)
    x = np.eye(3)
    history = mg.fit(mg.mlp([3, 2], rng=0), mg.MSELoss(), mg.SGD(0.1), x, x[:, :2], epochs=3, progress=True)
    assert len(history) == 3
    assert mg.sweep(abs, [-1, 2], progress=True) == [1, 2]


@pytest.mark.parametrize("kind", STREAMS)
def test_a_line_never_fails_and_never_goes_to_stdout(kind, monkeypatch):
    stream = put(monkeypatch, kind)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    say("a net, a 字 and a \udcff")
    assert sys.stdout.getvalue() == ""
    if kind == "ascii":
        assert stream.buffer.getvalue() == b"a net, a \\u5b57 and a \\udcff\n"


def test_a_line_is_written_where_it_can_be(capsys):
    say("a line")
    assert capsys.readouterr() == ("", "a line\n")
    say("\nanother")
    assert capsys.readouterr() == ("", "\nanother\n")


def test_ctrl_c_passes_through_a_line(monkeypatch):
    class Interrupted(Mute):
        def write(self, text):
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stderr", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        say("a line")


@pytest.mark.slow
@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_a_process_without_stderr(where):
    if sys.platform == "win32":
        pytest.skip("needs a shell")
    code = "import minigrad as mg; from minigrad.training.progress import say; x = [[0.0], [1.0]]; "
    code += "mg.fit(mg.mlp([1, 1]), mg.MSELoss(), mg.SGD(0.1), x, x, epochs=2); say('lost'); print('done')"
    run = subprocess.run(["sh", "-c", f'"$0" -c "$1" {where}', sys.executable, code], stdout=subprocess.PIPE, text=True)
    assert run.stdout == "done\n"


# ---- the bar ---------------------------------------------------------------------------------------------


def counted(wanted=True):
    """Go through a bar as fit does."""
    passed = []
    bar = progress(range(3), "counting", wanted)
    for item in bar:
        bar.set_postfix_str(f"item {item}", refresh=False)
        passed.append(item)
    return passed


class Bar:
    """In place of tqdm's: says at once what it was asked for."""

    def __init__(self, items, desc, delay, leave):
        self.items = items
        print(f"{type(self).__name__} {desc}", file=sys.stderr)

    def __iter__(self):
        return iter(self.items)

    def set_postfix_str(self, text, refresh):
        pass


class NotebookBar(Bar):
    pass


@pytest.fixture
def tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=Bar))
    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=NotebookBar))


def shell(config):
    return types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(config=config))


@pytest.mark.usefixtures("tqdm")
@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize(
    ("stream", "ipython", "shown"),
    [
        (Terminal, None, "Bar counting\n"),
        (io.StringIO, None, ""),
        (io.StringIO, shell({"IPKernelApp": {}}), "NotebookBar counting\n"),
        (Terminal, shell({"IPKernelApp": {}}), "NotebookBar counting\n"),
        (Terminal, shell({"TerminalIPythonApp": {}}), "Bar counting\n"),
        (io.StringIO, shell({"TerminalIPythonApp": {}}), ""),
        (io.StringIO, types.SimpleNamespace(get_ipython=lambda: None), ""),  # imported by a script
        (io.StringIO, types.SimpleNamespace(), ""),
    ],
)
def test_the_bar_is_where_somebody_looks(stream, ipython, shown, wanted, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    if ipython is None:
        monkeypatch.delitem(sys.modules, "IPython", raising=False)
    else:
        monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert counted(wanted) == [0, 1, 2]
    assert sys.stderr.getvalue() == (shown if wanted else "")
    assert "ipykernel" not in sys.modules


@pytest.mark.parametrize("ipython", [None, shell({"IPKernelApp": {}})])
def test_without_tqdm_there_is_no_bar(ipython, monkeypatch):
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert counted() == [0, 1, 2]
    assert sys.stderr.getvalue() == ""


def test_the_real_tqdm_shows_a_slow_loop_and_wipes_it(monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    for _ in progress(range(4), "counting"):
        time.sleep(0.3)
    text = sys.stderr.getvalue()
    assert "counting" in text
    assert text.endswith("\r")


def test_a_notebook_without_widgets_and_with_warnings_as_errors_goes_on(monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setitem(sys.modules, "IPython", shell({"IPKernelApp": {}}))
    for name in [name for name in sys.modules if name.startswith("tqdm.auto")]:
        monkeypatch.delitem(sys.modules, name)  # its warning comes when it is imported
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert counted() == [0, 1, 2]


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("train --data xor --epochs 2", 0),
        ("train --data no/such/folder", 1),
        ("evaluate no/such/file", 1),
        ("", 2),
    ],
)
def test_the_command_line_needs_no_stderr(line, code, kind, monkeypatch):
    put(monkeypatch, kind)
    assert cli.main(line.split()) == code


@pytest.mark.parametrize("kind", STREAMS)
def test_wrong_usage_needs_no_stderr(kind, monkeypatch):
    put(monkeypatch, kind)
    try:
        code = cli.main(["train", "--epochs", "many"])
    except SystemExit as end:  # argparse's way
        code = end.code
    assert code in (1, 2)
