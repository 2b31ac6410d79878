"""The report: runs the studies, and writes a table, pictures, findings.json and one page that holds it all.

Results are written after every study, each file whole or not at all, so an interrupted report keeps what is finished.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import os
import shlex
import shutil
import signal
import sys
import tempfile
import textwrap
import time
import traceback
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import minigrad as mg

from ..files.archive import check_target, replacing
from ..kernels.backend import _config as backend_config
from ..studies import STUDIES, Config, Finding, Study, style
from ..studies.finding import plain
from ..training.progress import say
from . import drawing, page

DOTS_PER_INCH = (
    160  # of the PNG files: 1280 pixels wide, sharp at the 800 at which they are shown, on a fine screen too
)


@dataclass
class Results:
    """What is there so far."""

    out: Path
    options: str  # of the command line, as far as they change the numbers: " --seed 7 --full"
    facts: dict[str, str]  # about the run, the machine and the versions
    missing: dict[str, str]  # claim -> why it is not there
    findings: list[Finding] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)  # name -> SVG element
    files: dict[str, bytes] = field(default_factory=dict)  # the pictures as files: "zigzag.svg", "zigzag.png", ...
    undrawn: dict[str, str] = field(default_factory=dict)  # name -> why there is no such picture
    errors: list[str] = field(default_factory=list)  # tracebacks


def make(config: Config, out: Path, only: list[str] | None = None, jobs: int | None = None) -> int:
    """Run the studies (of the claims in `only`, or all), write everything to the folder `out`, print the table.

    Returns 0, or 1 where a study or a picture failed. ImportError without matplotlib or Jinja2, OSError where out
    cannot be written, ValueError for unusable data: all before any work. KeyboardInterrupt goes on to the caller, when
    the results are written.
    """
    style.need_matplotlib()
    page.need_jinja2()
    config.load()
    prepare(out)
    jobs = jobs or usable_cores()
    studies = [study for study in STUDIES.values() if not only or set(only) & set(study.claims)]
    claims = [claim for study in studies for claim in study.claims if not only or claim in only]
    options = options_of(config)
    command = "minigrad report" + (f" --only {','.join(claims)}" if only else "") + options
    facts = facts_about(config, jobs, command)
    results = Results(out, options, facts, dict.fromkeys(claims, "not reached"))
    start = time.perf_counter()
    try:
        with workers(jobs) as executor:
            for i, study in enumerate(studies):
                bar = f"[{'#' * i}{'.' * (len(studies) - i)}]"
                say(f"{bar} {', '.join(study.claims)}: {study.title}")
                run_one(replace(config, executor=executor), study, claims, results)
                results.facts["time"] = f"{time.perf_counter() - start:.0f} s"
                write(results)
    except KeyboardInterrupt:
        for claim in results.missing:
            results.missing[claim] = "the report was interrupted before it was done"
        write(results)
        conclude(results)
        raise
    conclude(results)
    return 1 if results.missing or results.undrawn else 0


def conclude(results: Results) -> None:
    """Print the table, where the page is and how it is opened, and what is missing from it."""
    page_file = results.out / "index.html"
    print(f"\n{table(results.findings)}\n\nthe page: {page_file}\n{invitation(page_file)}", flush=True)
    for claim, why in results.missing.items():
        say(f"minigrad: {claim} is missing: {why}")
    for name, why in results.undrawn.items():
        say(f"minigrad: the picture {name} could not be drawn: {why}")


def run_one(config: Config, study: Study, claims: list[str], results: Results) -> None:
    """Run a study, draw its pictures, and add both to the results; where one fails, say so there.

    A study that fails must not cost the reader the others, nor a picture the numbers, so an error is kept as a line,
    and whole in errors.txt.
    """
    try:
        findings = [finding for finding in study.run(config) if finding.id in claims]
    except Exception as error:
        for claim in [claim for claim in study.claims if claim in results.missing]:
            results.missing[claim] = f"{type(error).__name__}: {error}"
        results.errors.append(traceback.format_exc())
        return
    for finding in findings:
        for name, picture in finding.pictures.items():
            try:
                figure = study.plot(finding, name)
                results.pictures[name] = drawing.inline(style.svg(figure), name, plain(picture.alt))
                results.files[f"{name}.svg"] = drawing.alone(results.pictures[name])
                results.files[f"{name}.png"] = style.png(figure, DOTS_PER_INCH)
            except Exception as error:
                results.undrawn[name] = f"{type(error).__name__}: {error}"
                results.errors.append(traceback.format_exc())
    results.findings = sorted(results.findings + findings, key=lambda finding: int(finding.id[1:]))
    for finding in findings:
        results.missing.pop(finding.id, None)


# ---- processes -------------------------------------------------------------------------------------------


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def workers(jobs: int) -> Iterator[ProcessPoolExecutor | None]:
    """An executor of that many processes; None for one job, which is done in this process."""
    if jobs == 1:
        yield None
        return
    # A worker inherits this: with more threads than cores small products stall, and the last bits may change.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    spawn = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(jobs, spawn, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    executor.shutdown()


# ---- files -----------------------------------------------------------------------------------------------


def prepare(out: Path) -> None:
    """Make the folder, and see that it can be written to; an OSError that names it where not."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
        names = ("findings.json", "index.html", "errors.txt")
        for path in [*(out / name for name in names), *out.glob("*.png"), *out.glob("*.svg")]:
            check_target(path)
    except OSError as error:
        place = "" if error.filename in (None, str(out)) else f"{error.filename}: "
        raise OSError(f"--out {out}: the results cannot be written there ({place}{error.strerror})") from None


def write(results: Results) -> None:
    """Pictures, findings.json, index.html, and errors.txt where there are errors."""
    for name, content in results.files.items():
        replace_file(results.out / name, content)
    for name in results.undrawn:  # that of an earlier run would be taken for this one's
        for kind in ("svg", "png"):
            (results.out / f"{name}.{kind}").unlink(missing_ok=True)
    if results.errors:
        replace_file(results.out / "errors.txt", "\n".join(results.errors).encode(errors="backslashreplace"))
    entries = []
    for finding in results.findings:
        undrawn = {name: why for name, why in results.undrawn.items() if name in finding.pictures}
        entries.append(finding.entry() | {"undrawn": undrawn, "rerun": rerun(finding, results)})
    text = json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False)
    replace_file(results.out / "findings.json", f"{text}\n".encode())
    commands = {entry["id"]: entry["rerun"] for entry in entries}
    parts = (results.pictures, results.missing, results.facts, results.undrawn)
    html = page.render(results.findings, commands, *parts, source=way_to_source(results.out))
    replace_file(results.out / "index.html", html.encode())


def way_to_source(out: Path) -> str:
    """The relative way from the page to the folder that has docs/ and tests/; empty where there is none."""
    source = Path(mg.__file__).parents[1]
    if not (source / "docs" / "theory.md").is_file():
        return ""  # minigrad is installed without them
    try:
        return urllib.parse.quote(Path(os.path.relpath(source, out)).as_posix())
    except ValueError:  # on Windows, on another drive
        return ""


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as file:
        file.write(content)


# ---- words -----------------------------------------------------------------------------------------------


def invitation(page_file: Path) -> str:
    """What to do with the page: its address, or how to get it to a screen."""
    address = page_file.resolve().as_uri()
    if shows_windows():
        return f"open it: {address}"
    folder = shlex.quote(str(page_file.parent))
    return f"""open it: {address}
There is no display here. All of it is in that one file: copy it to a machine that has a display. Or run
  python3 -m http.server 8000 --bind 127.0.0.1 --directory {folder}
here, ssh -L 8000:127.0.0.1:8000 to here from there, and open http://127.0.0.1:8000 there."""


def shows_windows() -> bool:
    """Whether there is a display here, as far as the environment says."""
    if sys.platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def options_of(config: Config) -> str:
    """The options that change the numbers, as on the command line."""
    options = f" --seed {config.seed}"
    if os.fspath(config.data) != "digits":
        options += f" --data {shlex.quote(os.fspath(config.data))}"
    return options + (" --full" if config.full else "")


def rerun(finding: Finding, results: Results) -> str:
    """The command that makes this finding again."""
    return f"minigrad report --only {finding.id}{results.options}"


def facts_about(config: Config, jobs: int, command: str) -> dict[str, str]:
    """What the page says about the run: enough to make it again."""
    import matplotlib

    about = backend_config()
    return {
        "command": command,
        "data": os.fspath(config.data),
        "seeds": f"from {config.seed} on; which ones, each section says",
        "time": "",
        "date": time.strftime("%Y-%m-%d"),
        "processes": str(jobs),
        "machine": about["CPU"],
        "minigrad": f"{mg.__version__}, {about['core']} core ({about['why']})",
        "versions": f"Python {about['Python']}, NumPy {about['NumPy']}, matplotlib {matplotlib.__version__}",
        "BLAS": f"{about['BLAS']}, threads: {about['BLAS threads']}",
    }


def table(findings: list[Finding]) -> str:
    """Claim, verdict and deciding number, wrapped to the width of the terminal."""
    if not findings:
        return "no finding was finished"
    width = max(60, min(shutil.get_terminal_size().columns, 120))
    middle = max(len("verdict"), *(len(page.judgement(finding)) for finding in findings))
    side = (width - middle - 10) // 2
    rows = [("", "claim", "verdict", "deciding number")]
    rows += [(f.id, plain(f.claim), page.judgement(f), plain(f.deciding)) for f in findings]
    lines = []
    for row in rows:
        cells = [textwrap.wrap(cell, wide) for cell, wide in zip(row, (4, side, middle, side), strict=True)]
        for line in itertools.zip_longest(*cells, fillvalue=""):
            lines.append(f"{line[0]:<4}{line[1]:<{side}}  {line[2]:<{middle}}  {line[3]}".rstrip())
        lines.append("-" * width if row is rows[0] else "")
    return "\n".join(lines[:-1])
