"""Runs mg.diagnose on every case and prints how often it is right.

    python tests/diagnosis/evaluate.py [--half seen|hidden|all] [--only healthy,hard,...] [--seed 0] [--verbose]
    python tests/diagnosis/evaluate.py --remedies       what the remedies are worth: slow
    python tests/diagnosis/evaluate.py --published      the same tables for two published sets of rules
    python tests/diagnosis/evaluate.py --no-trial       diagnose without its trial
    python tests/diagnosis/evaluate.py --write          all of it, into docs/diagnosis.md: ten minutes

An alarm is a finding of level "fault" or "slow". A name is right where it is one of the case's names and there was an
alarm. Exit status 2 where there is no mg.diagnose.
"""

import argparse
import contextlib
import copy
import inspect
import io
import sys
import time
import traceback
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import published
from corpus import Case, cases, train

import minigrad as mg

GROUPS = ("healthy", "hard", "public", "programs_a", "programs_b", "faulty")  # of what is looked at if nothing is said
RISES = 0.02  # by so much a score has to rise to count
STEPS = 3  # remedies, at most
FIELDS = ("net", "loss", "opt", "x", "y", "batch_size", "epochs")  # of what a remedy returns


@dataclass
class Result:
    """What was said of a case."""

    case: Case
    findings: list = field(default_factory=list)  # each with .name and .level, first ranked first
    seconds: float = 0.0
    error: str = ""

    @property
    def fault(self) -> bool:
        return any(finding.level == "fault" for finding in self.findings)

    @property
    def alarm(self) -> bool:
        return any(finding.level in ("fault", "slow") for finding in self.findings)

    def right(self, first: int) -> bool:
        """Is one of the first so many findings right, and is there an alarm at all?"""
        return self.alarm and any(finding.name in self.case.names for finding in self.findings[:first])

    @property
    def line(self) -> str:
        said = ", ".join(f"{finding.name} ({finding.level})" for finding in self.findings[:5]) or "nothing"
        return f"{self.case.name}: {self.error or said}" + (f"; right: {self.case.names[0]}" if self.case.names else "")


# ---- who is asked ----------------------------------------------------------------------------------------


def diagnosis(setup, seed=0, **options):
    """mg.diagnose of a set-up; shuffle is passed where diagnose knows it."""
    if "shuffle" in inspect.signature(mg.diagnose).parameters:
        options["shuffle"] = getattr(setup, "shuffle", True)
    return mg.diagnose(
        setup.net, setup.loss, setup.x, setup.y, setup.opt, batch_size=setup.batch_size, epochs=setup.epochs, rng=seed,
        **options,
    )  # fmt: skip


def by_diagnose(**options):
    return lambda setup, case, seed: diagnosis(setup, seed, **options).findings


def as_faults(names):
    return [SimpleNamespace(name=name, level="fault") for name in names]


JUDGES = {
    "static ranges (UMLAUT)": lambda setup, case, seed: as_faults(published.ranges(setup)),
    "symptoms of a training (AUTOTRAINER, DeepLocalize, DeepDiagnosis)": lambda setup, case, seed: as_faults(
        published.symptoms(setup, case.task)
    ),
}


def judged(case, judge, seed):
    """The Result of one case; what was raised is in it, and counts as nothing said."""
    setup, began = case.make(seed), time.perf_counter()
    try:
        findings = list(judge(setup, case, seed))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
        return Result(case, [], time.perf_counter() - began, f"{type(error).__name__} at {where}: {error}"[:200])
    return Result(case, findings, time.perf_counter() - began)


def knows_shuffle():
    return hasattr(mg, "diagnose") and "shuffle" in inspect.signature(mg.diagnose).parameters


# ---- tables ----------------------------------------------------------------------------------------------


def share(count, of):
    return f"{count:4} of {of:3}  {count / of:4.0%}" if of else "   none      "


def print_groups(results):
    """One line a group: false alarms on what learns, right ones on what does not."""
    print("nets that learn               faults          slow")
    for kind in ("healthy", "hard", "public", "programs_a", "programs_b", "harmless"):
        whole = [r for r in results if r.case.kind == kind and not r.case.is_faulty]
        if whole:
            faults, slows = sum(r.fault for r in whole), sum(r.alarm and not r.fault for r in whole)
            title = f"{kind}, repaired" if kind in ("public", "programs_a", "programs_b") else kind
            print(f"  {title:24} {share(faults, len(whole))}  {share(slows, len(whole))}")
    print("nets that do not              any alarm       right name first  in the first three")
    for kind in ("faulty", "public", "programs_a", "programs_b"):
        broken = [r for r in results if r.case.kind == kind and r.case.is_faulty]
        if broken:
            counts = sum(r.alarm for r in broken), sum(r.right(1) for r in broken), sum(r.right(3) for r in broken)
            print(f"  {kind:24} " + "  ".join(share(count, len(broken)) for count in counts))


def print_names(results):
    """One line a finding, of all broken nets whose plainest name it is."""
    by_name = defaultdict(list)
    for r in results:
        if r.case.is_faulty:
            by_name[r.case.names[0]].append(r)
    print(f"{'by finding':26} nets  alarm  first  in three")
    for name, group in sorted(by_name.items()):
        counts = sum(r.alarm for r in group), sum(r.right(1) for r in group), sum(r.right(3) for r in group)
        print(f"  {name:24} {len(group):4} " + " ".join(f"{count:6}" for count in counts))
    said = defaultdict(int)
    for r in results:
        for finding in r.findings:
            said[finding.name] += not r.case.is_faulty and finding.level == "fault"
    wrong = ", ".join(f"{name} {count}" for name, count in sorted(said.items(), key=lambda i: -i[1]) if count)
    print(f"  faults called on nets that learn: {wrong or 'none'}")


def print_times(results):
    seconds = np.array([r.seconds for r in results])
    worst = max(results, key=lambda r: r.seconds)
    print(f"time a net: median {np.median(seconds):.3f} s, worst {seconds.max():.2f} s ({worst.case.name})")


def print_tables(title, results, verbose):
    print(f"\n== {title}: {len(results)} nets")
    print_groups(results)
    print_names(results)
    print_times(results)
    for r in results:
        wrong = r.error or (not r.right(3) if r.case.is_faulty else r.alarm)
        if r.error or (verbose and wrong):
            print(f"  {r.line}")


# ---- remedies --------------------------------------------------------------------------------------------


def first_remedy(findings):
    """The first finding of an alarm that can be applied; None where there is none."""
    alarms = [f for f in findings if f.level in ("fault", "slow")]
    return next((f for f in alarms if getattr(f, "apply", None) is not None), None)


def mended(case, seed):
    """(score before, score after, names of what was applied): diagnosed again on what each remedy returned."""
    setup, applied = case.make(seed), []
    before = train(case.task, copy.deepcopy(setup), seed)[0]
    for _ in range(STEPS):
        finding = first_remedy(diagnosis(setup, seed).findings)
        if finding is None:
            break
        shuffle = getattr(setup, "shuffle", True) or finding.name == "sorted_data"
        changed = finding.apply()
        setup = SimpleNamespace(**{name: getattr(changed, name) for name in FIELDS})
        setup.shuffle = getattr(changed, "shuffle", shuffle)
        applied.append(finding.name)
    after = train(case.task, copy.deepcopy(setup), seed)[0] if applied else before
    return before, after, applied


def print_remedies(chosen, seed, verbose):
    """How often up to three remedies raise the score of the trained net."""
    print(f"\n== remedies: up to {STEPS}, diagnosed again on what each returned; a rise is one of more than {RISES}")
    scores = defaultdict(list)
    for case in (case for case in chosen if case.is_faulty):
        try:
            before, after, applied = mended(case, seed)
        except Exception as error:
            before, after, applied = 0.0, 0.0, [f"{type(error).__name__}: {error}"[:120]]
        scores[case.kind].append((before, after, bool(applied)))
        if verbose and after <= before + RISES:
            print(f"  {case.name}: {before:.3f} -> {after:.3f} after {applied or 'nothing'}; right: {case.names[0]}")
    print(f"{'':26} rises           of those with a remedy  falls           median before, after")
    for kind, rows in scores.items():
        before, after, tried = np.array(rows).T
        rises, falls = after > before + RISES, after < before - RISES
        print(
            f"  {kind:24} {share(int(rises.sum()), len(rows))}  {share(int(rises.sum()), int(tried.sum()))}       "
            f"  {share(int(falls.sum()), len(rows))}  {np.median(before):.3f} {np.median(after):.3f}"
        )


def options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--half", choices=("seen", "hidden", "all"), default="seen", help="of the cases, by name")
    parser.add_argument("--only", default=",".join(GROUPS), help="kinds, with commas; also: programs, harmless")
    parser.add_argument("--match", default="", help="a word in the name")
    parser.add_argument("--seed", type=int, default=0, help="of the data and weights")
    parser.add_argument("--remedies", action="store_true", help="apply them, and train")
    parser.add_argument("--published", action="store_true", help="two published sets of rules, on the same nets")
    parser.add_argument("--no-trial", action="store_true", help="diagnose with trials of a single step")
    parser.add_argument("--write", action="store_true", help="all of it, into docs/diagnosis.md (ten minutes)")
    parser.add_argument("--verbose", action="store_true", help="a line for each net that is judged wrongly")
    return parser.parse_args()


PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->"


def write_figures(seed: int) -> None:
    """The tables of all nets, between the marks of docs/diagnosis.md."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        everything = [case for case in cases() if case.make(seed).shuffle and case.kind in GROUPS]
        halves = {half: [case for case in everything if case.half == half] for half in ("seen", "hidden")}
        for half, chosen in halves.items():
            print(f"\nmg.diagnose, the half of the nets that was {half} while the rules were tuned: {len(chosen)} nets")
            results = [judged(case, by_diagnose(), seed) for case in chosen]
            print_groups(results)
            print_times(results)
        for title, judge in {"without its trials": by_diagnose(trial=1), **JUDGES}.items():
            print(f"\n{title}, all {len(everything)} nets")
            print_groups([judged(case, judge, seed) for case in everything])
        print_remedies(everything, seed, verbose=False)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}```text{shown.getvalue()}```\n{END}{after}", encoding="utf-8")


def main() -> int:
    chosen_options = options()
    if chosen_options.write:
        write_figures(chosen_options.seed)
        return 0
    seed, verbose = chosen_options.seed, chosen_options.verbose
    kinds = chosen_options.only.replace("programs,", "programs_a,programs_b,").split(",")
    kinds += ["programs_a", "programs_b"] if "programs" in kinds else []
    chosen = [
        case
        for case in cases()
        if case.kind in kinds and chosen_options.match in case.name and (chosen_options.half in ("all", case.half))
    ]
    if not chosen:
        print("no case is of that kind and name")
        return 2
    if chosen_options.published:
        for title, judge in JUDGES.items():
            print_tables(title, [judged(case, judge, seed) for case in chosen], verbose)
        return 0
    if not hasattr(mg, "diagnose"):
        print("there is no mg.diagnose yet")
        return 2
    if not knows_shuffle():
        ordered = [case.name for case in chosen if not case.make(seed).shuffle]
        chosen = [case for case in chosen if case.name not in ordered]
        print(f"left out, since diagnose takes no shuffle: {', '.join(ordered) or 'none'}")
    rules = {"trial": 1} if chosen_options.no_trial else {}
    print_tables("diagnose", [judged(case, by_diagnose(**rules), seed) for case in chosen], verbose)
    if chosen_options.remedies:
        print_remedies(chosen, seed, verbose)
    return 0


if __name__ == "__main__":
    sys.exit(main())
