"""The package is built as docs/architecture.md says: rooms in one order, imports one way, short files."""

import ast
import graphlib
import subprocess
import sys

import pytest
import rooms
from rooms import PACKAGE, READING_PATH, ROOT, function_lengths, imports, lines_of, modules, order_on_the_page

REDRAW = "run `python tests/rooms.py --write`, which draws the marks in docs/architecture.md again"

# Still too long. These two lists may only become shorter.
LONG_FILES: set[str] = set()
LONG_FUNCTIONS: set[str] = set()

# kernels/cpu.py imports a module of NumPy's, which has two names; kernels/backend.py looks for the core before it
# loads it.
MAY_USE_IMPORTLIB = {"minigrad.kernels.cpu", "minigrad.kernels.backend"}


def python_files():
    """Every Python file of the project, the tests included, as it is called from the project's folder."""
    folders = ("minigrad", "tests", "benchmarks", "docs", "examples")
    paths = [ROOT / "setup.py", *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): path for path in sorted(paths)}


def names_imported(path):
    """The dotted names that a file imports, of whatever package; and __import__ where it is used."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Name) and node.id == "__import__":
            names.add(node.id)
    return names


def assert_only(found, listed, advice):
    """found is what is listed; the message says what to do with each name that is not."""
    assert not found - listed, f"{advice}: {', '.join(sorted(found - listed))}"
    assert not listed - found, f"take what is mended off the list: {', '.join(sorted(listed - found))}"


def test_every_room_is_on_the_page_and_every_room_on_the_page_exists():
    present = {rooms.room(module) for module in modules()}
    assert set(order_on_the_page()) == present, (
        "give each room a line in the drawing of docs/architecture.md, below the rooms that it imports; then " + REDRAW
    )


def test_no_import_runs_back():
    order = order_on_the_page()
    back = [
        f"{module} imports {other}"
        for module, others in imports().items()
        for other in others
        if order.index(rooms.room(other)) > order.index(rooms.room(module))
    ]
    assert not back, "docs/architecture.md says: a room imports only rooms above it"


def test_the_page_marks_the_imports_that_there_are():
    assert rooms.drawing()[1] == rooms.draw(), REDRAW


def test_no_modules_import_each_other_in_a_circle():
    try:
        graphlib.TopologicalSorter(imports()).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"each of these imports the one before it: {' <- '.join(error.args[1])}")


def test_no_module_imports_another_by_name():
    readers_of_data = ("importlib.resources", "importlib.metadata")
    by_name = {
        module
        for module, path in modules().items()
        for name in names_imported(path)
        if name.partition(".")[0] in ("importlib", "__import__") and not name.startswith(readers_of_data)
    }
    assert_only(by_name, MAY_USE_IMPORTLIB, "import what you need by an import statement")


def test_import_minigrad_loads_neither_studies_nor_report_nor_command_line():
    code = "import sys, minigrad; print(*(name for name in sys.modules if name.startswith('minigrad')))"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    loaded = {rooms.room(module) for module in printed.split()}
    assert loaded & {"studies", "report", "cli", "__main__"} == set()
    assert "diagnostics" in loaded


def test_reading_path_is_short():
    lines = {name: lines_of(PACKAGE / name) for name in READING_PATH}
    assert sum(lines.values()) < 1000, lines


def test_the_page_names_the_reading_path():
    section = rooms.PAGE.read_text(encoding="utf-8").partition("## The reading path")[2]
    assert [name for name in READING_PATH if f"`{name}`" not in section] == []


def test_no_file_is_over_400_lines_long():
    found = {name for name, path in python_files().items() if lines_of(path) > 400}
    assert_only(found, LONG_FILES, "make two files of each")


def test_no_function_is_over_60_lines_long():
    found = {
        f"{name}: {function}"
        for name, path in python_files().items()
        for function, lines in function_lengths(path).items()
        if lines > 60
    }
    assert_only(found, LONG_FUNCTIONS, "make two functions of each (the docstring is not counted)")


def test_lines_by_room_are_counted():
    counted = rooms.lines_by_room()
    assert counted["gradient"] == lines_of(PACKAGE / "gradient.py")
    assert counted["files"] == sum(lines_of(path) for path in (PACKAGE / "files").glob("*.py"))
