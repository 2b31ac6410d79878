"""Writes what docs/diagnosis.md shows: each rule of mg.diagnose as its source says it, and what the example prints.

python docs/diagnosis_table.py             prints both
python docs/diagnosis_table.py --write     puts them into the page, between their marks

Nothing is copied by hand: name and reason are what the rule is registered with, range, words and remedy what its
function hands to Suspect. In the words, "…" stands for a number or a name that is measured.
"""

import argparse
import ast
import contextlib
import inspect
import io
import re
import textwrap
from pathlib import Path

from minigrad.diagnosis.finding import NAMES
from minigrad.diagnosis.rules import RULES

PAGE = Path(__file__).with_name("diagnosis.md")
HEADINGS = {
    "data": "Data", "output": "Output and loss", "structure": "Structure", "start": "Start", "steps": "Steps",
}  # fmt: skip


def parsed(function):
    """The source of a rule as a tree, and that of a private helper that it returns the result of."""
    function = inspect.unwrap(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    yield tree
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Call):
            helper = getattr(node.value.func, "id", "")
            if helper.startswith("_"):
                yield from parsed(function.__globals__[helper])


def words(node, before):
    """The text that an expression makes, with "…" for what is filled in; before: {variable: its text}."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(words(part, before) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        percent = node.format_spec and words(node.format_spec, before).endswith("%")
        return "… %" if percent else "…"
    if isinstance(node, ast.IfExp):
        return words(node.body, before)
    if isinstance(node, ast.Name) and node.id in before:
        return before[node.id]
    return "…"


def either(node, given):
    """What an expression may be: of `a if question else b` both, of a variable what it was set to."""
    if isinstance(node, ast.Name) and node.id in given:
        return given[node.id]
    return [*either(node.body, given), *either(node.orelse, given)] if isinstance(node, ast.IfExp) else [node]


def bound(node, given):
    """An end of a range as text, in `code` where the rule computes it."""
    texts = dict.fromkeys(re.sub(r"\b(np|math)\.inf", "inf", ast.unparse(each)) for each in either(node, given))
    return " or ".join(text if re.fullmatch(r"-?([\d.e-]+|inf)", text) else f"`{text}`" for text in texts)


def interval(node, given):
    """A range (low, high) in words."""
    if not isinstance(node, ast.Tuple):
        return "<br>".join(dict.fromkeys(interval(each, given) for each in either(node, given)))
    low, high = (bound(end, given) for end in node.elts)
    if low == high:
        return low
    if high == "inf":
        return f"at least {low}"
    return f"at most {high}" if low in ("0", "0.0", "-inf") else f"{low} to {high}"


def set_in(node, given):
    """{variable: what an assignment may set it to}."""
    target = node.targets[0]
    if isinstance(target, ast.Name):
        return {target.id: either(node.value, given)}
    parts = [value.elts for value in either(node.value, given) if isinstance(value, ast.Tuple)]
    names = [getattr(name, "id", "") for name in getattr(target, "elts", ())]
    return {name: [part[i] for part in parts] for i, name in enumerate(names) if parts}


def suspects(function):
    """(words, range, remedy) of each Suspect that a rule may return, in the order of its source."""
    found = []
    for tree in parsed(function):
        before, given = {}, {}
        for node in sorted(ast.walk(tree), key=lambda node: getattr(node, "lineno", 0)):
            if isinstance(node, ast.Assign):
                for name, nodes in set_in(node, given).items():
                    given[name] = [*given.get(name, ()), *nodes]
                if isinstance(node.targets[0], ast.Name):
                    before[node.targets[0].id] = words(node.value, before)
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                before[node.target.id] = before.get(node.target.id, "…") + words(node.value, before)
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Suspect":
                _, expected, text, remedy, *_ = node.args
                found.append((words(text, before), interval(expected, given), words(remedy, before)))
    return found


def linked(reason):
    """The reason with each theorem it names as a link into docs/theory.md."""
    return re.sub(r"\b[A-F]\d+\b", lambda m: f"[{m[0]}](theory.md#{m[0].lower()})", reason)


def table(kind):
    """The rules of one kind, a line each."""
    lines = [f"### {HEADINGS[kind]}\n", "| name | what it says | expected | why | remedy |", "|---|---|---|---|---|"]
    for rule in RULES:
        if rule.name in NAMES[kind]:
            cells = ["<br>".join(dict.fromkeys(column)) for column in zip(*suspects(rule.function), strict=True)]
            text, expected, remedy = (cell.replace("|", "\\|") for cell in cells)
            reason = linked(rule.theorem).replace("|", "\\|")
            lines.append(f"| `{rule.name}` | {text} | {expected} | {reason} | {remedy} |")
    return "\n".join(lines) + "\n"


def tables():
    """All rules, by kind."""
    return "\n".join(table(kind) for kind in NAMES)


def printed():
    """What the first example of the page prints."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)[1]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, PAGE.name, "exec"), {})
    return f"```text\n{out.getvalue().rstrip()}\n```\n"


PARTS = {"rules": tables, "output": printed}  # mark -> what stands behind it


def main():
    """Prints the parts, or writes them into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put them into docs/diagnosis.md")
    write, page = parser.parse_args().write, PAGE.read_text(encoding="utf-8")
    for mark, part in PARTS.items():
        if not write:
            print(part())
            continue
        head, _, rest = page.partition(f"<!-- {mark} -->\n")
        end = f"<!-- end of {mark} -->"
        page = f"{head}<!-- {mark} -->\n{part()}{end}{rest.partition(end)[2]}"
    if write:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
