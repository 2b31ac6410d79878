"""The report: one page that needs nothing else, findings.json, and what happens when something goes wrong."""

import dataclasses
import json
import re
import sys
import urllib.parse
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from findings import Page, finding

import minigrad as mg
from minigrad.cli import main as cli
from minigrad.report import make as report
from minigrad.report import page
from minigrad.studies import CLAIMS, STUDIES, Config, Study, style
from minigrad.studies.finding import Picture, plain

ASKED = ["Q1", "Q2", "Q3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small report of three claims."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    out = tmp_path_factory.mktemp("report")
    assert report.make(Config(quick=True), out, ASKED, jobs=1) == 0
    return out


# ---- what is written -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_page_needs_nothing_else(made):
    text = (made / "index.html").read_text(encoding="utf-8")
    assert "http:" not in text
    assert "https:" not in text
    tags = Page(text).tags
    assert "script" not in {tag for tag, _ in tags}
    loaded = [attrs["href"] for tag, attrs in tags if tag != "a" and "href" in attrs]
    loaded += [attrs["src"] for _, attrs in tags if "src" in attrs] + re.findall(r"url\(([^)]*)", text)
    assert all(link.startswith(("#", "data:")) for link in loaded)
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    inside = {link[1:] for link in loaded if link.startswith("#")}
    inside |= {attrs[name] for _, attrs in tags for name in ("popovertarget", "aria-labelledby") if name in attrs}
    links = [attrs["href"] for tag, attrs in tags if tag == "a"]
    assert inside | {link[1:] for link in links if link.startswith("#")} <= set(ids)
    beside = {urllib.parse.unquote(link.partition("#")[0]) for link in links if not link.startswith("#")}
    assert all((made / path).is_file() for path in beside)
    assert any(path.endswith("docs/theory.md") for path in beside)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in tags
    assert "prefers-color-scheme:dark" in text


def test_the_page_shows_all_that_was_found(made):
    shown = Page((made / "index.html").read_text(encoding="utf-8"))
    assert [attrs["id"] for attrs in shown.with_class("section", "claim")] == ASKED
    drawings = {attrs["id"]: attrs["aria-label"] for tag, attrs in shown.tags if tag == "svg" and "id" in attrs}
    entries = json.loads((made / "findings.json").read_text(encoding="utf-8"))
    pictures = {name: picture for entry in entries for name, picture in entry["pictures"].items()}
    assert drawings == {f"drawing-{name}": picture["alt"] for name, picture in pictures.items()}
    for name in pictures:
        assert (made / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert ET.fromstring((made / f"{name}.svg").read_bytes()).tag == "{http://www.w3.org/2000/svg}svg"


def test_findings_json(made):
    entries = json.loads((made / "findings.json").read_text(encoding="utf-8"))
    assert [entry["id"] for entry in entries] == ASKED
    texts = ("claim", "verdict", "deciding", "theorem", "test", "code", "caveat", "rerun")
    for entry in entries:
        assert entry["claim"] == plain(CLAIMS[entry["id"]])
        assert "$" not in json.dumps(entry)
        assert all(isinstance(entry[name], str) and entry[name] for name in texts)
        assert entry["kind"] in ("true", "partly", "not the cause")
        assert entry["confirmed"] is all(number["as_expected"] for number in entry["numbers"])
        assert any(number["expect"] for number in entry["numbers"])
        assert entry["rerun"] == f"minigrad report --only {entry['id']} --seed 0"
        assert entry["seeds"]
        for number in entry["numbers"]:
            assert {"name", "value", "unit", "low", "high", "runs", "theory", "expect"} <= set(number)


def test_nothing_temporary_is_left(made):
    assert not [path.name for path in made.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_only_and_an_existing_folder(made, tmp_path, capsys):
    (tmp_path / "index.html").write_text("of an earlier run")
    assert report.make(Config(quick=True, seed=5), tmp_path, ["Q2"], jobs=1) == 0
    (entry,) = json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))
    assert (entry["id"], entry["seeds"]) == ("Q2", [5])
    assert entry["rerun"].endswith("--only Q2 --seed 5")
    assert "of an earlier run" not in (tmp_path / "index.html").read_text(encoding="utf-8")
    table = capsys.readouterr().out
    assert "Q2" in table
    assert "Q1" not in table


@pytest.mark.slow
def test_processes_find_the_same(made, tmp_path):
    assert report.make(Config(quick=True), tmp_path, ["Q2", "Q3"], jobs=2) == 0
    one = json.loads((made / "findings.json").read_text(encoding="utf-8"))[1:]
    assert json.loads((tmp_path / "findings.json").read_text(encoding="utf-8")) == one


# ---- what can go wrong -----------------------------------------------------------------------------------


def study(name, claims, measure, draw=None):
    """A study of these claims ("Q1 Q2") whose pictures, if it has any, are all drawn by one function."""
    claims = tuple(claims.split())
    return Study(name, name, claims, measure, dict.fromkeys((f"picture_{claim}" for claim in claims), draw))


@pytest.fixture
def studies(monkeypatch):
    """Three studies in place of the real ones; what they do is set by the test."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    doing = {"first": lambda: finding("Q1"), "second": lambda: finding("Q2"), "third": lambda: finding("Q3")}
    fakes = {
        name: study(name, claim, lambda config, name=name: [doing[name]()])
        for name, claim in zip(doing, ASKED, strict=True)
    }
    monkeypatch.setattr("minigrad.report.make.STUDIES", fakes)
    return doing


def ids(folder):
    return [entry["id"] for entry in json.loads((folder / "findings.json").read_text(encoding="utf-8"))]


def test_the_command_of_a_finding_has_every_option_that_changes_its_numbers(studies, tmp_path):
    for config, options in (
        (Config(seed=7), " --seed 7"),
        (Config(data="iris"), " --seed 0 --data iris"),
        (Config(seed=1, data="moons", full=True), " --seed 1 --data moons --full"),
    ):
        assert report.make(config, tmp_path, ["Q2"], jobs=1) == 0
        (entry,) = json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))
        assert entry["rerun"] == f"minigrad report --only Q2{options}"
        text = (tmp_path / "index.html").read_text(encoding="utf-8")
        assert f">{entry['rerun']}</pre>" in text


@pytest.mark.parametrize(
    ("line", "config", "only", "jobs"),
    [
        ("", Config(progress=True), None, None),
        ("--seed 4 --full --data iris --jobs 2", Config("iris", 4, full=True, progress=True), None, 2),
        ("--only q2,Q1 --only Q3", Config(progress=True), ["Q2", "Q1", "Q3"], None),
    ],
)
def test_the_options_of_the_command_reach_the_report(monkeypatch, line, config, only, jobs):
    asked = []
    monkeypatch.setattr(report, "make", lambda *arguments: asked.append(arguments) or 0)
    assert cli.main(["report", *line.split()]) == 0
    out = "-".join(["report", *(only or [])])
    assert asked == [(config, Path(out), only, jobs)]
    assert cli.main(["report", "--out", "elsewhere"]) == 0
    assert asked[1][1] == Path("elsewhere")


def test_a_study_of_several_claims_shows_those_that_were_asked_for(studies, monkeypatch, tmp_path):
    both = study("both", "Q1 Q2", lambda config: [finding("Q1"), finding("Q2")])
    monkeypatch.setattr("minigrad.report.make.STUDIES", {"both": both})
    assert report.make(Config(), tmp_path, ["Q2"], jobs=1) == 0
    assert ids(tmp_path) == ["Q2"]
    assert "missing from this report" not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_claims_are_in_the_order_of_their_numbers(studies, monkeypatch, tmp_path, capsys):
    """Q10 after Q2 and Q9, wherever they are listed, and whichever was finished first."""
    order = ["Q10", "Q2", "Q12", "Q9"]
    fakes = {name: study(name, name, lambda config, name=name: [finding(name)]) for name in order}
    monkeypatch.setattr("minigrad.report.make.STUDIES", fakes)
    assert report.make(Config(), tmp_path, jobs=1) == 0
    in_order = ["Q2", "Q9", "Q10", "Q12"]
    assert ids(tmp_path) == in_order
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert [attrs["id"] for attrs in Page(text).with_class("section", "claim")] == in_order
    links = [attrs["href"] for tag, attrs in Page(text).tags if tag == "a"]
    assert [link for link in links if link.startswith("#Q")] == 2 * [f"#{name}" for name in in_order]  # and in contents
    commands = re.findall(r"<pre\b[^>]*>(minigrad report .*)</pre>", text)
    assert commands == [f"minigrad report --only {name} --seed 0" for name in in_order]
    assert re.findall(r"^Q\d+", capsys.readouterr().out, flags=re.MULTILINE) == in_order


def test_interrupted_keeps_what_is_finished(studies, tmp_path, capsys):
    def interrupt():
        assert ids(tmp_path) == ["Q1"]  # already there while the second runs
        raise KeyboardInterrupt

    studies["second"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        report.make(Config(), tmp_path, jobs=1)
    assert ids(tmp_path) == ["Q1"]
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Q2 is missing from this report: the report was interrupted" in text
    assert "Q3 is missing" in text
    assert "Q1" in capsys.readouterr().out


def test_interrupted_command_ends_with_130(studies, tmp_path, capsys):
    def interrupt():
        raise KeyboardInterrupt

    studies["first"] = interrupt
    assert cli.main(["report", "--out", str(tmp_path / "new"), "--jobs", "1"]) == 130
    assert capsys.readouterr().err.endswith("minigrad: interrupted\n")


def test_a_study_that_fails_does_not_cost_the_others(studies, tmp_path, capsys):
    studies["second"] = lambda: 1 / 0
    assert report.make(Config(), tmp_path, jobs=1) == 1
    assert ids(tmp_path) == ["Q1", "Q3"]
    err = capsys.readouterr().err
    assert "Q2 is missing: ZeroDivisionError: division by zero" in err
    assert "Traceback" not in err
    assert "Traceback" in (tmp_path / "errors.txt").read_text(encoding="utf-8")
    assert "ZeroDivisionError" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_numbers_that_miss_are_not_called_true(studies, tmp_path, capsys):
    studies["first"] = lambda: finding("Q1", value=float("nan"))
    assert report.make(Config(), tmp_path, ["Q1"], jobs=1) == 0
    (entry,) = json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))
    assert (entry["confirmed"], entry["numbers"][0]["value"]) == (False, "nan")
    assert "not confirmed in this run" in capsys.readouterr().out
    assert "missed" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_text_is_escaped(studies, tmp_path):
    report.make(Config(), tmp_path, ["Q1"], jobs=1)
    assert "It &lt;is&gt; so." in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_told_before_any_work(studies, tmp_path, capsys):
    studies["first"] = lambda: pytest.fail("work was done")
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert cli.main(["report", "--out", str(out)]) == 1
        err = capsys.readouterr().err
        assert str(out) in err
        assert err.count("\n") == 1


def test_unknown_data_are_told_before_any_work(studies, tmp_path, capsys):
    studies["first"] = lambda: pytest.fail("work was done")
    assert cli.main(["report", "--data", "nowhere", "--out", str(tmp_path / "report")]) == 1
    assert "digits, iris" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("library", ["matplotlib", "Jinja2"])
def test_without_a_library_the_error_says_how_to_get_it(library, studies, monkeypatch, tmp_path, capsys):
    studies["first"] = lambda: pytest.fail("work was done")
    page.template.cache_clear()
    monkeypatch.setitem(sys.modules, library.lower(), None)
    assert cli.main(["report", "--out", str(tmp_path / "report")]) == 1
    assert capsys.readouterr().err.endswith(f"{library}, which is not installed: pip install {library}\n")
    assert not (tmp_path / "report").exists()


def test_the_end_says_how_the_page_is_opened(studies, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report.sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for display, advice in ((":0", False), ("", True)):
        monkeypatch.setenv("DISPLAY", display)
        assert report.make(Config(), Path("a b"), ["Q1"], jobs=1) == 0
        out = capsys.readouterr().out
        assert f"the page: {Path('a b', 'index.html')}\nopen it: {(tmp_path / 'a b' / 'index.html').as_uri()}\n" in out
        assert ("There is no display here" in out) == advice
        assert ("--directory 'a b'" in out) == advice


def test_links_to_the_source_are_left_out_where_it_is_not(monkeypatch, tmp_path):
    root = Path(mg.__file__).parents[1]
    assert (tmp_path / report.way_to_source(tmp_path) / "docs" / "theory.md").resolve() == root / "docs" / "theory.md"
    assert report.way_to_source(root / "report") == ".."
    monkeypatch.setattr(report.mg, "__file__", str(tmp_path / "site-packages" / "minigrad" / "__init__.py"))
    assert report.way_to_source(tmp_path) == ""


# ---- words -----------------------------------------------------------------------------------------------


def test_the_table_fits_the_terminal(monkeypatch):
    for columns in (60, 80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = report.table([finding(claim) for claim in CLAIMS]).splitlines()
        assert max(map(len, lines)) <= max(columns, 60)
        assert [line[:3].strip() for line in lines if re.match("Q[0-9]", line)] == list(CLAIMS)


# ---- pictures that fail, and a user's matplotlib ---------------------------------------------------------


def test_a_picture_that_fails_does_not_cost_the_numbers(studies, tmp_path, capsys, monkeypatch):
    def draw(data):
        if data["claim"] == "Q2":
            raise OSError("no <font>")
        return style.figure()

    fakes = {}
    for claim in ("Q1", "Q2", "Q3"):
        seen = {f"picture_{claim}": Picture("what is seen", "what is drawn")}
        one = dataclasses.replace(finding(claim), pictures=seen, data={"claim": claim})
        fakes[claim] = study(claim, claim, lambda config, one=one: [one], draw)
    monkeypatch.setattr("minigrad.report.make.STUDIES", fakes)
    for kind in ("png", "svg"):
        (tmp_path / f"picture_Q2.{kind}").write_bytes(b"of an earlier run")
    assert report.make(Config(), tmp_path, jobs=1) == 1
    entries = json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))
    assert [entry["id"] for entry in entries] == ["Q1", "Q2", "Q3"]
    assert [entry["undrawn"] for entry in entries] == [{}, {"picture_Q2": "OSError: no <font>"}, {}]
    assert all(entry["numbers"] for entry in entries)
    drawn = ["picture_Q1.png", "picture_Q1.svg", "picture_Q3.png", "picture_Q3.svg"]
    assert sorted(path.name for path in tmp_path.glob("picture*")) == drawn
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    Page(text)
    assert "The picture picture_Q2 could not be drawn: OSError: no &lt;font&gt;." in text
    assert "picture picture_Q2 could not be drawn: OSError" in capsys.readouterr().err
    assert "Traceback" in (tmp_path / "errors.txt").read_text(encoding="utf-8")


USERS = {
    "text.usetex": True,
    "savefig.bbox": "tight",
    "savefig.dpi": 10,
    "savefig.transparent": True,
    "savefig.format": "svg",
    "figure.autolayout": True,
    "figure.dpi": 30,
    "font.size": 40,
    "axes.facecolor": "black",
    "lines.linestyle": "--",
    "xtick.direction": "in",
    "path.sketch": (1, 100, 2),
    "svg.fonttype": "path",
    "svg.hashsalt": None,
}


@pytest.mark.slow
def test_the_users_matplotlibrc_changes_no_picture():
    matplotlib = pytest.importorskip("matplotlib")
    signs = STUDIES["outer_product"]
    found = signs.run(Config(quick=True))[0]
    png, svg = style.png(signs.plot(found), 50), style.svg(signs.plot(found))
    with matplotlib.rc_context(USERS):
        assert style.png(signs.plot(found), 50) == png
        assert style.svg(signs.plot(found)) == svg
        assert all(matplotlib.rcParams[name] == value for name, value in USERS.items())


@pytest.mark.parametrize("name", ["findings.json", "index.html", "errors.txt", "one.png", "one.svg"])
def test_a_result_that_would_be_no_file_is_told_before_any_work(name, studies, tmp_path, capsys):
    studies["first"] = lambda: pytest.fail("work was done")
    (tmp_path / name).mkdir()
    assert cli.main(["report", "--out", str(tmp_path)]) == 1
    assert re.search(rf"--out .*cannot be written there \(.*{name}: is a folder", capsys.readouterr().err)
