"""Mutation test of the Python modules: break them in every way mutmut knows, and count what the tests notice.

Run by `make mutants`; [tool.mutmut] in pyproject.toml says what is broken and which tests run. Prints a line for each
module and the names of the survivors (`mutmut show NAME` prints one), and exits with 1 where a module is
below SHARE, or all together are below WHOLE. tests/mutation/survivors.md says why those of the last run survive.
"""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict

SHARE, WHOLE = 0.95, 0.97
PROCESSES = os.environ.get("MUTANT_PROCESSES", "1")


def mutmut(*arguments, **options):
    environment = os.environ | {"HYPOTHESIS_PROFILE": "mutants", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, env=environment, check=True, text=True, **options).stdout


def main():
    begin = time.monotonic()
    shutil.rmtree("mutants", ignore_errors=True)  # mutmut would keep the results of tests that have changed since
    mutmut("run", "--max-children", PROCESSES)
    modules, survivors = defaultdict(Counter), []
    for line in mutmut("results", "--all", "true", stdout=subprocess.PIPE).splitlines():
        name, _, status = line.strip().rpartition(": ")
        killed = status in ("killed", "timeout")
        modules[name.rpartition(".")[0]]["killed" if killed else "survived"] += 1
        survivors += [] if killed else [line.strip()]
    print("\nThe survivors:", *survivors, sep="\n    ")
    print(f"\n{'module':<40} {'mutants':>7} {'killed':>7} {'survived':>8} {'share':>7}")
    shares, whole = [], sum(modules.values(), Counter())
    for module, count in sorted(modules.items()):
        shares.append(count["killed"] / count.total())
        print(f"{module:<40} {count.total():>7} {count['killed']:>7} {count['survived']:>8} {shares[-1]:>7.1%}")
    share = whole["killed"] / whole.total()
    print(f"{'all':<40} {whole.total():>7} {whole['killed']:>7} {whole['survived']:>8} {share:>7.1%}")
    print(f"{(time.monotonic() - begin) / 60:.0f} minutes")
    return min(shares) < SHARE or share < WHOLE


if __name__ == "__main__":
    sys.exit(main())
