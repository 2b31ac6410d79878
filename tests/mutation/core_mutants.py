"""Mutation testing of the compiled core: one change of one place at a time, built, and tested until a test fails.

    python tests/mutation/core_mutants.py LOG                       all: hours; what LOG has already is not tried again
    python tests/mutation/core_mutants.py LOG --sample 300 --jobs 2
    python tests/mutation/core_mutants.py LOG --again --asan        what survived, with the tests as they now are
    python tests/mutation/core_mutants.py LOG --only _adam          what has this in its label

Not counted: what does not compile, and "same code": what the compiler turns into the machine code of the original.
Killed: a failed test, a crash, no end. With --asan, what the tests let pass is built again with AddressSanitizer;
"overrun" is what only that kills: a read or write outside an array. The rest has survived; see survivors_core.md.
"""

import argparse
import ast
import os
import random
import re
import resource
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import Process
from pathlib import Path

import numpy as np
from Cython.Compiler.Main import compile as cythonize

ROOT = Path(__file__).resolve().parents[2]
FILES = ("_core.pyx", *(f"kernels/{file.name}" for file in sorted((ROOT / "minigrad/kernels").glob("*.px[di]"))))
SETUP = (ROOT / "setup.py").read_text(encoding="utf-8")
DIRECTIVES = ast.literal_eval(re.search(r"^DIRECTIVES = (\{.*?\})", SETUP, re.MULTILINE | re.DOTALL)[1])
TESTS = [f"tests/test_{name}.py" for name in ("core", "core_epoch", "math", "engines", "single", "many", "lanes")]
SECONDS = 60  # of the processor that a test run may take; unchanged it takes 6, and 10 with AddressSanitizer
SEPARATOR = " | "

# setup.py's flags, but little optimised: a third of the time. The second flag brings FMA, which the bits depend on.
FLAGS = ["-O1", "-fexpensive-optimizations", "-fno-math-errno", "-fno-trapping-math", "-w", "-shared", "-fPIC"]

TOKEN = re.compile(
    r"""(?P<skip>\#[^\n]*|/\*(?:.|\n)*?\*/|extern\ from\ \*:\s+"{3}|"{3}\s+(?=ctypedef|enum|void)
                |"{3}(?:.|\n)*?"{3}|\\\n|[ \t]+)
      | (?P<string>f?"[^"\n]*"|'[^'\n]*') | (?P<cast><(?:const\ )?\w+(?:\.\w+)?\ ?\**>)
      | (?P<number>\d+\.?\d*(?:e[+-]?\d+)?) | (?P<name>[^\W\d]\w*) | (?P<newline>\n)
      | (?P<op>//=?|<<|>>|[-+*/<>=!]=|.)""",
    re.VERBOSE,
)
OPERATORS = {"+": "-", "-": "+", "*": "/", "/": "*", "//": "*", "%": "//", "<<": ">>", ">>": "<<"}
PAIRS = "J K, row step, down along, inputs outputs, first second, delta other, x_row y_row"
PAIRS += ", b1 b2, beta1 beta2, a0 a1, w0 w1, and or, True False, min max, += -=, *= /=, == !=, NPY_FLOAT32 NPY_FLOAT64"
SWAPS = {"N": ["K"], "ld": ["ldt"], "i": ["(i + 1)"], "not": [""], "is": ["is not"]}
SWAPS |= {"<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"]}
for one, other in map(str.split, PAIRS.split(",")):
    SWAPS |= {one: [other], other: [one]}
TYPES = {"real": "float", "float": "double", "double": "float", "int64_t": "int32_t"}
KEYWORDS = {"return", "if", "else", "and", "or", "not", "in", "elif"}


def statements(text):
    """The text as statements, each a list of (kind, word, start, end)."""
    statement, depth = [], 0
    for match in TOKEN.finditer(text):
        kind, word = match.lastgroup, match.group()
        depth += (word in "([{") - (word in ")]}") if kind == "op" else 0
        if kind == "newline" and depth == 0 and statement:
            yield statement
            statement = []
        elif kind not in ("skip", "newline"):
            statement.append((kind, word, match.start(), match.end()))


def changes(statement):
    """What can be changed in one statement: (start, end, replacement)."""
    words = [word for _, word, *_ in statement]
    if words[0] in ("from", "import", "ctypedef", "@", "#") or words[:2] in (["cdef", "struct"], ["cdef", "enum"]):
        return
    declares, header = words[0] == "cdef", words[0] in ("cdef", "def") and words[-1] == ":"
    begin = len(words) if header else words.index("=") if declares and "=" in words else len(words) * declares
    if not declares and words[-1] not in ":;}" and words != ["pass"]:
        yield statement[0][2], statement[-1][3], "pass"
    subscripts = []
    for i, (kind, word, start, end) in enumerate(statement):
        before, after = words[i - 1] if i else "", words[i + 1] if i + 1 < len(words) else ""
        if declares and word in TYPES and (after.isidentifier() and after != "is"):
            yield start, end, TYPES[word]
        if i < begin and (declares or header):
            continue
        operand = before in ")]" or (before[-1:].isalnum() and before not in KEYWORDS)
        if kind == "number" and word.isdigit():
            yield start, end, str(int(word) + 1)
        elif kind == "number":
            yield from ((start, end, f"({word} * 1.01)" if float(word) else "1.0"), (start, end, f"(-{word})"))
        elif kind == "cast" and word[1:-1] in TYPES and not after.isdigit():
            yield start, end, f"<{TYPES[word[1:-1]]}>"
        elif kind == "op" and word == "-" and i and not operand:
            yield start, end, ""
        elif kind == "op" and word in OPERATORS and operand and before not in TYPES:
            yield start, end, OPERATORS[word]
        elif kind in ("op", "name") and before not in ("for", ",") + (".",) * (word in ("min", "max", "i")):
            yield from ((start, end, other) for other in SWAPS.get(word, ()))
        if word == "[":
            subscripts.append(operand)
        elif word == "]" and subscripts.pop() and statement[i - 1][0] != "number":
            yield start, start, " + 1"


def mutants():
    """Every mutant, in the order of the text: (file, (start, end, replacement), label)."""
    seen = Counter()
    for file in FILES:
        text, where, inside = (ROOT / "minigrad" / file).read_text(encoding="utf-8"), "", False
        for statement in statements(text):
            first, last = statement[0][2], statement[-1][3]
            line = text[text.rfind("\n", 0, first) + 1 : last]
            if named := re.match(r"c?def [^=]*?(\w+)\(", line):
                where = named[1]
            inside = bool(re.match(r"cdef (struct|enum)", line)) or (inside and line.startswith(" "))
            for start, end, new in [] if inside else changes(statement):
                old, changed = text[first:last], text[first:start] + new + text[end:last]
                label = " ".join(f"{file} {where}: {old}  ->  {changed}".split())
                seen[label] += 1
                yield file, (start, end, new), label + f"  (no. {seen[label]})" * (seen[label] > 1)


def translate(source):
    sys.exit(cythonize(str(source), compiler_directives=DIRECTIVES, errors_to_stderr=0).num_errors)


def build(folder, *flags):
    """Compile the core in a folder -> its machine code, or None where it does not compile."""
    package, level = folder / "minigrad", (folder / "minigrad/_core.level").read_text()
    library = package / f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"
    library.unlink(missing_ok=True)
    cython = Process(target=translate, args=[package / "_core.pyx"])  # one for each: it keeps all it has read
    cython.start()
    cython.join()
    arch = [] if level == "generic" else [f"-march={level}"] + ["-mprefer-vector-width=512"] * level.endswith("v4")
    include = [f"-I{sysconfig.get_path('include')}", f"-I{np.get_include()}", "-DNPY_NO_DEPRECATED_API=7"]
    gcc = ["gcc", *FLAGS, *arch, *flags, *include, package / "_core.c", "-o", library]
    if cython.exitcode or subprocess.run(gcc, capture_output=True, check=False).returncode:
        return None
    return library.read_bytes()


def passes(folder, **environment):
    """Do the tests pass on the core that is built in a folder?"""
    run = [sys.executable, "-m", "pytest", "-q", "-x", "--ff", *TESTS]  # what killed the last mutant first
    fixed = {"OPENBLAS_NUM_THREADS": "1", "HYPOTHESIS_PROFILE": "ci", "MINIGRAD_CORE": "compiled", "PYTHONPATH": "."}
    limit = partial(resource.setrlimit, resource.RLIMIT_CPU, (SECONDS, SECONDS))
    environment = {**os.environ, **fixed, **environment}
    done = subprocess.run(run, cwd=folder, env=environment, preexec_fn=limit, capture_output=True, check=False)
    return done.returncode == 0


def scratch_copy(scratch):
    """The folder in which this process works: package, tests, and the machine code of the unchanged core."""
    folder = Path(scratch, str(os.getpid()))
    if not folder.exists():
        for part in ("minigrad", "tests"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("*.so", "_core.c", "__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        (folder / "minigrad/_core.level").write_text(
            runpy.run_path(str(ROOT / "minigrad/kernels/cpu.py"))["cpu_level"]()
        )
        (folder / "unchanged").write_bytes(build(folder) or sys.exit("the unchanged core does not compile"))
    return folder


def judge(mutant, scratch, sanitizer):
    """Build and test one mutant."""
    file, (start, end, new), _ = mutant
    folder = scratch_copy(scratch)
    source, text = folder / "minigrad" / file, (ROOT / "minigrad" / file).read_text(encoding="utf-8")
    source.write_text(text[:start] + new + text[end:], encoding="utf-8")
    code = build(folder)
    if code is None:
        verdict = "does not compile"
    elif code == (folder / "unchanged").read_bytes():
        verdict = "same code"
    elif not passes(folder):
        verdict = "killed"
    elif sanitizer and build(folder, "-fsanitize=address") and not passes(folder, **sanitizer):
        verdict = "overrun"
    else:
        verdict = "survived"
    source.write_text(text, encoding="utf-8")
    return verdict


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path, help="verdicts are added here; what is there already is not tried again")
    parser.add_argument("--again", action="store_true", help="only what survived according to the log")
    parser.add_argument("--only", default="", help="only labels with these words")
    parser.add_argument("--sample", type=int, help="only so many of all, at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--asan", action="store_true", help="watch survivors with AddressSanitizer")
    args = parser.parse_args()
    chosen = list(mutants())
    if args.sample:  # in the order of the text, because neighbours die of the same test
        places = random.Random(args.seed).sample(range(len(chosen)), len(chosen))[: args.sample]
        chosen = [chosen[place] for place in sorted(places)]
    lines = args.log.read_text(encoding="utf-8").splitlines() if args.log.exists() else []
    verdicts = {label: verdict.strip() for verdict, label in (line.split(SEPARATOR) for line in lines)}
    wanted = "survived" if args.again else None
    chosen = [mutant for mutant in chosen if args.only in mutant[2] and verdicts.get(mutant[2]) == wanted]
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    sanitizer = {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"} if args.asan else {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = scratch_copy(scratch)
        if not passes(folder):
            sys.exit("the unchanged core fails its tests")
        if args.asan and not (build(folder, "-fsanitize=address") and passes(folder, **sanitizer)):
            sys.exit("the unchanged core fails its tests under AddressSanitizer")
        with ProcessPoolExecutor(args.jobs) as pool, args.log.open("a", encoding="utf-8") as log:
            results = pool.map(partial(judge, scratch=scratch, sanitizer=sanitizer), chosen)
            for mutant, verdict in zip(chosen, results, strict=True):
                verdicts[mutant[2]] = verdict
                print(f"{verdict:<16}", mutant[2], sep=SEPARATOR, file=log, flush=True)
    print(*(f"{count} {verdict}" for verdict, count in Counter(verdicts.values()).most_common()), sep=", ")


if __name__ == "__main__":
    main()
