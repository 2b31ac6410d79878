"""Trains every case and prints what it reaches, so that what is called healthy or faulty here really is.

    python tests/diagnosis/verify.py [--only healthy,hard,...] [--match WORD] [--seed 0]

Healthy and hard nets must end above their constant; a faulty one must end clearly below its twin.
"""

import argparse
import time

from corpus import cases, trained

LEARNS = {"healthy": 0.5, "hard": 0.05}  # a score that counts as learning


def hurts(broken, whole):
    """Is the broken score clearly worse than the whole one?"""
    return whole - max(broken, 0.0) > max(0.05, 0.1 * whole)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="kinds, with commas between them")
    parser.add_argument("--match", default="", help="a word in the name")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found, bad = {}, []
    kinds = [kind for kind in options.only.split(",") if kind]
    for case in cases():
        wanted = (not kinds or case.kind in kinds) and options.match in case.name
        if not wanted:
            continue
        began = time.process_time()
        found[case.name], state = trained(case, options.seed)
        whole = None
        if case.is_faulty:
            twins = [other for other in cases() if other.name == case.twin]
            if case.twin not in found and twins:
                found[case.twin] = trained(twins[0], options.seed)[0]
            whole = found.get(case.twin)
        good = hurts(found[case.name], whole) if whole is not None else found[case.name] >= LEARNS.get(case.kind, 0.5)
        if not good:
            bad.append(case.name)
        beside = "" if whole is None else f"whole {whole:6.3f}"
        mark = "" if good else "  <-- not so"
        print(
            f"{case.kind:10} {case.name:45} {found[case.name]:6.3f} {beside} {state} "
            f"{time.process_time() - began:.2f}s{mark}",
            flush=True,
        )
    print(f"{len(found)} trained; {len(bad)} not as they are said to be: {', '.join(bad)}")


if __name__ == "__main__":
    main()
