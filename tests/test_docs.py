"""What the pages name exists: links lead to a file, and in it to a heading or an anchor; files in code are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A page may leave out how the path of a source file begins.
FOLDERS = (".", "minigrad", "minigrad/kernels", "minigrad/layers", "tests/theory")
NOT_OURS = {"script.py", "network2.py"}  # one that stands for any, and one of Nielsen's
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page):
    named = files_named(page) - NOT_OURS
    assert {name for name in named if not any(list((ROOT / folder).glob(name)) for folder in FOLDERS)} == set()
