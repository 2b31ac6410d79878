"""When minigrad train writes the net: as soon as it is trained."""

import minigrad as mg
from minigrad.cli import main as cli
from minigrad.cli import train


def test_the_net_is_saved_before_the_table_that_nobody_may_read(monkeypatch, tmp_path):
    def closed(*arguments):
        raise BrokenPipeError

    monkeypatch.setattr(train, "print_layers", closed)
    assert cli.main(["train", "--data", "xor", "--epochs", "1", "--save", str(tmp_path / "a.npz")]) != 0
    assert mg.load(tmp_path / "a.npz").in_features == 2
