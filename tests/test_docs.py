"""What the pages name exists: links lead to a file, and in it to a heading or an anchor; files in code are there.

docs/diagnosis.md says what the rules say.
"""

import re
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad.diagnosis.finding import NAMES

ROOT = Path(__file__).parents[1]
# A page may leave out how the path of a source file begins.
FOLDERS = (".", "minigrad", "minigrad/kernels", "minigrad/layers", "tests", "tests/theory")
NOT_OURS = {"script.py", "network2.py"}  # one that stands for any, and one of Nielsen's
PAGES = [page for folder in ("", "docs/", "minigrad/**/", "tests/*/") for page in sorted(ROOT.glob(f"{folder}*.md"))]


def prose(page):
    """The text without code and formulas: no links are meant in them."""
    return re.sub(r"```.*?```|`[^`\n]*`|\$[^$\n]*\$", "x", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(page):
    """What a link into the page can name: <a id="..."> and its headings, as GitHub writes them."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return set(re.findall(r'<a id="([^"]+)"', text)) | {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    for link in links:
        if link.startswith(("http:", "https:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def files_named(page):
    """The names in `code` that can only mean a source file, or a path that starts at one of the project's folders."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    path = r"(?<![\w./-])(?:(?:minigrad|tests|docs|examples|benchmarks)/[\w./*]*|[\w/*]+\.(?:py|pyx|pxd|pyi)\b)"
    return {name for code in re.findall(r"`([^`\n]+)`", text) for name in re.findall(path, code)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page):
    named, folders = files_named(page) - NOT_OURS, [page.parent, *(ROOT / folder for folder in FOLDERS)]
    assert {name for name in named if not any(list(folder.glob(name)) for folder in folders)} == set()


# ---- the page on diagnose --------------------------------------------------------------------------------

DIAGNOSIS = ROOT / "docs" / "diagnosis.md"


@pytest.mark.parametrize("mark", ["rules", "output"])
def test_the_page_on_diagnose_is_as_its_command_writes_it(mark, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import diagnosis_table

    written = f"<!-- {mark} -->\n{diagnosis_table.PARTS[mark]()}<!-- end of {mark} -->"
    assert written in DIAGNOSIS.read_text(encoding="utf-8"), (
        "python docs/diagnosis_table.py --write brings it up to date"
    )


def test_the_page_on_diagnose_has_every_name():
    in_tables = re.findall(r"^\| `(\w+)` \|", DIAGNOSIS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(in_tables) == len(set(in_tables))
    assert {*in_tables, "diverges", "stuck"} == {name for names in NAMES.values() for name in names}


def broken_nets():
    """Nets with something that a rule speaks of, and the name of the rule."""
    x = np.random.default_rng(0).normal(size=(200, 4))
    y = x.sum(axis=1, keepdims=True)
    yield "unscaled_input", mg.diagnose(mg.mlp([4, 8, 1], rng=0), mg.MSELoss(), 100 * x, y)
    net = mg.Sequential(*mg.mlp([4, 8, 1], rng=0), mg.ReLU())
    yield "target_range", mg.diagnose(net, mg.MSELoss(), x, y)
    net = mg.mlp([4, 20, 20, 20, 20, 1], activation="sigmoid", rng=0)
    yield "vanishing", mg.diagnose(net, mg.MSELoss(), x, y, mg.SGD(0.01))
    yield "lr_high", mg.diagnose(mg.mlp([4, 8, 1], rng=0), mg.MSELoss(), x, y, mg.SGD(10.0))


def test_a_line_of_the_tables_says_what_the_finding_says():
    for name, found in broken_nets():
        finding = next(finding for finding in found.findings if finding.name == name)
        line = re.search(rf"^\| `{name}` \|(.*)\|$", DIAGNOSIS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
        text, expected, why, remedy = (cell.strip() for cell in re.split(r"(?<!\\)\|", line))
        low, high = finding.expected
        ends = {f"{high:g}"} if low == 0 else {f"{low:g}"} if high == np.inf else {f"{low:g}", f"{high:g}"}
        ranges = [said for said in expected.split("<br>") if ends <= set(said.split())]
        word = "at most" if low == 0 else "at least" if high == np.inf else " to "
        assert any(word in said for said in ranges), (name, expected)
        for cell, words in ((text, finding.text), (remedy, finding.remedy)):
            patterns = [re.escape(part).replace("…", ".+").replace("\\ %", "%") for part in cell.split("<br>")]
            assert any(re.fullmatch(pattern, words) for pattern in patterns), (name, words)
        assert re.sub(r"\[(\w+)\]\([^)]*\)", r"\1", why).replace("\\|", "|") == finding.theorem
