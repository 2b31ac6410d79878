"""Runs every benchmark, draws the figures and fills in docs/performance.md: what `make bench` starts.

python benchmarks/run_all.py              half an hour on an idle machine
python benchmarks/run_all.py --rounds 2   arguments go to every script that measures
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
MEASURE = ("steps.py", "backprop.py", "per_sample.py", "time_to_result.py", "width_depth.py")
SHOW = (("figures.py",), ("bars.py", "--write"))

if __name__ == "__main__":
    for script, *arguments in (*((name, *sys.argv[1:]) for name in MEASURE), *SHOW):
        print(f"\n==== {script}", flush=True)
        code = subprocess.run([sys.executable, str(HERE / script), *arguments]).returncode
        if code:
            sys.exit(code)
