"""Trains every case and prints what it reaches, so that what is called healthy or faulty here really is.

    python tests/diagnosis/verify.py [--only healthy,hard,...] [--match WORD] [--seed 0]
    python tests/diagnosis/verify.py --write         finds the mistakes that do no harm, and writes harmless.txt again

Healthy and hard nets must end above their constant; a broken one must end clearly below its whole twin.
"""

import argparse
import time
from pathlib import Path

import faulty
from corpus import cases, trained

LEARNS = {"healthy": 0.5, "hard": 0.05, "harmless": 0.0}  # a score that counts as learning


def hurts(broken, whole):
    """Is the broken score clearly worse than the whole one?"""
    return whole - max(broken, 0.0) > max(0.05, 0.1 * whole)


class Scores:
    """The score of each case that was trained; a twin is trained once."""

    def __init__(self):
        self.cases = {case.name: case for case in cases()}
        self.found = {}

    def of(self, case, seed):
        """(score, what happened)."""
        key = case.name, seed
        if key not in self.found:
            self.found[key] = trained(case, seed)
        return self.found[key]

    def whole(self, case, seed):
        """The score of the twin that is not broken."""
        return self.of(self.cases[case.twin], seed)[0]


def write_harmless():
    """Train all candidates on two seeds; name those that are not clearly worse for their mistake on both."""
    scores, harmless = Scores(), []
    for case in faulty.candidates():
        pairs = [(scores.of(case, seed)[0], scores.whole(case, seed)) for seed in (0, 1)]
        if not all(hurts(*pair) for pair in pairs):
            harmless.append(case.name)
            print(case.name, *(f"{broken:.3f} of {whole:.3f}" for broken, whole in pairs), flush=True)
    path = Path(__file__).parent / "harmless.txt"
    path.write_text("".join(f"{name}\n" for name in sorted(harmless)), encoding="utf-8")
    print(f"{len(harmless)} of {len(faulty.candidates())} candidates do no clear harm")


def show(kinds, match, seed):
    """Train what is asked for and print a line for each."""
    scores, bad, count = Scores(), [], 0
    for case in scores.cases.values():
        if (kinds and case.kind not in kinds) or match not in case.name:
            continue
        began = time.process_time()
        reached, state = scores.of(case, seed)
        seconds = time.process_time() - began
        if case.is_faulty:
            good, beside = hurts(reached, scores.whole(case, seed)), f"whole {scores.whole(case, seed):6.3f}"
        else:
            good, beside = reached >= LEARNS.get(case.kind, 0.5), ""
        bad += [] if good else [case.name]
        mark = "" if good else "  <-- not so"
        print(f"{case.kind:10} {case.name:46} {reached:6.3f} {beside} {state} {seconds:.2f}s{mark}", flush=True)
        count += 1
    print(f"{count} trained; {len(bad)} not as they are said to be: {', '.join(bad)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="kinds, with commas between them")
    parser.add_argument("--match", default="", help="a word in the name")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write harmless.txt again")
    options = parser.parse_args()
    if options.write:
        write_harmless()
    else:
        show([kind for kind in options.only.split(",") if kind], options.match, options.seed)


if __name__ == "__main__":
    main()
