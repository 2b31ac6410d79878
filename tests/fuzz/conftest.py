"""Prints, after the tests, how many inputs each target has seen and what came of them."""

import sys


def pytest_terminal_summary(terminalreporter):
    counts = getattr(sys.modules.get("fuzz_runner"), "OUTCOMES", {})
    if counts:
        terminalreporter.section("fuzzing")
        for target, outcomes in sorted(counts.items()):
            words = ", ".join(f"{outcome} {n:,}" for outcome, n in outcomes.most_common())
            terminalreporter.write_line(f"{target:<42}{outcomes.total():>9,}  {words}")
        total = sum(outcomes.total() for outcomes in counts.values())
        terminalreporter.write_line(f"{'inputs of all targets':<42}{total:>9,}")
