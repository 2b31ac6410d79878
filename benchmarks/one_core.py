"""Ties this process to one core and one thread; import it before NumPy, PyTorch or JAX.

MINIGRAD_BENCH_CORE names the core (the last one by default). Every library is told the same: one thread. What
is measured is then the work of a library, not how its threads were scheduled: on a busy machine two threads can
be a hundred times slower than one.
"""

import os

for _name in ("OPENBLAS", "OMP", "MKL", "NUMEXPR", "VECLIB_MAXIMUM"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

CORE = None
if hasattr(os, "sched_setaffinity"):  # Linux
    CORE = int(os.environ.get("MINIGRAD_BENCH_CORE", max(os.sched_getaffinity(0))))
    os.sched_setaffinity(0, {CORE})
