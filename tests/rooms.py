"""Reads how the package hangs together: its rooms, who imports whom, and how long files and functions are.

python tests/rooms.py             prints the lines of each room, of the reading path, and the longest functions
python tests/rooms.py --write     draws the marks of the drawing in docs/architecture.md again; its order is ours

A room is a folder or a file directly under minigrad/. Nothing is imported to find out: the source is read.
"""

import argparse
import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "minigrad"
PAGE = ROOT / "docs" / "architecture.md"
READING_PATH = (
    "gradient.py", "layers/base.py", "layers/linear.py", "layers/activations.py", "losses.py", "backprop.py",
    "kernels/twin.py",
)  # fmt: skip
CORE = "minigrad._core"  # compiled, so it has no .py
BEGIN, END = "<!-- rooms -->\n```text\n", "```\n<!-- end of rooms -->"
LINE = re.compile(r" *\d+ +(\w+) +([.#\\](?: [.#\\])*) +(.*)")  # number, room, marks, what it is for


# ---- modules and imports ---------------------------------------------------------------------------------


def modules():
    """{dotted name: path} of every Python file of the package; a folder's __init__.py goes by the folder's name."""
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}
    return {name.removesuffix(".__init__"): path for name, path in names.items()}


def imports_of(module, path, known):
    """The modules of the package that a file imports, at its top, in a function or for its types alone."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -(node.level - 1) or None] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            members = {alias.name: f"{source}.{alias.name}" for alias in node.names}
            found |= {member if member in known else source for member in members.values()}
    return found & known


@functools.cache
def imports():
    """{module: the modules of the package that it imports}."""
    paths = modules()
    known = {*paths, CORE}
    return {module: imports_of(module, path, known) for module, path in paths.items()}


# ---- rooms -----------------------------------------------------------------------------------------------


def room(module):
    """The room of a module; the public names in minigrad/__init__.py are the room "minigrad"."""
    if module == CORE:
        return "kernels"  # what setup.py compiles from _core.pyx and the .pxd files in kernels/
    return module.removeprefix("minigrad.").partition(".")[0]


def arrows():
    """{room: the other rooms that it imports}."""
    found = {}
    for module, others in imports().items():
        found.setdefault(room(module), set()).update(room(other) for other in others)
    return {name: others - {name} for name, others in found.items()}


def order_on_the_page():
    """The rooms in the order of the drawing."""
    return [LINE.fullmatch(line).group(1) for line in drawing()[1].splitlines()[1:]]


def drawing():
    """What comes before the drawing, the drawing and what comes after."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    drawn, after = rest.split(END)
    return before, drawn, after


def draw():
    """The drawing: a line for each room, in the page's order and with its words, and a mark for each room it imports.

    A room can be marked only in the columns before its own, so an import that runs back cannot be drawn.
    """
    lines = [LINE.fullmatch(line).groups() for line in drawing()[1].splitlines()[1:]]
    order = [name for name, _, _ in lines]
    imported = arrows()
    width, cells = max(map(len, order)), 2 * len(order)
    drawn = [f"{'':{width + 4}}{' '.join(str(i % 10) for i in range(1, len(order) + 1))}"]
    for i, (name, _, words) in enumerate(lines):
        marks = " ".join(["#" if other in imported.get(name, ()) else "." for other in order[:i]] + ["\\"])
        drawn.append(f"{i + 1:>2} {name:<{width}} {marks:<{cells}} {words}")
    return "\n".join(drawn) + "\n"


# ---- lengths ---------------------------------------------------------------------------------------------


def lines_of(path):
    """How many lines a file has."""
    return len(path.read_text(encoding="utf-8").splitlines())


def lines_by_room():
    """{room: lines of its Python and Cython}."""
    counted = {}
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in (".py", ".pyx", ".pxd", ".pyi"):
            parts = path.relative_to(PACKAGE).parts
            name = "minigrad" if parts[0] == "__init__.py" else Path(parts[0]).stem
            counted[name] = counted.get(name, 0) + lines_of(path)
    return counted


def function_lengths(path):
    """{function: lines from its def to its end, docstring aside} of one file."""
    lengths = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node, clean=False) is not None
            docstring = first.end_lineno - first.lineno + 1 if documented else 0
            lengths[node.name] = max(lengths.get(node.name, 0), node.end_lineno - node.lineno + 1 - docstring)
    return lengths


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="draw the marks in docs/architecture.md again")
    if parser.parse_args().write:
        before, _, after = drawing()
        PAGE.write_text(f"{before}{BEGIN}{draw()}{END}{after}", encoding="utf-8")
    counted = lines_by_room()
    for name, lines in counted.items():
        print(f"{lines:6} {name}")
    print(f"{sum(counted.values()):6} lines in all")
    print(f"{sum(lines_of(PACKAGE / name) for name in READING_PATH):6} on the reading path")
    lengths = [(n, name, path) for path in modules().values() for name, n in function_lengths(path).items()]
    for n, name, path in sorted(lengths, reverse=True)[:5]:
        print(f"{n:6} {name}, in {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
