"""Prints, after the tests, how many cases each comparison has seen and the worst relative error found."""

import sys


def pytest_terminal_summary(terminalreporter):
    worst = getattr(sys.modules.get("peers"), "WORST", {})
    if worst:
        terminalreporter.section("comparisons with other libraries")
        terminalreporter.write_line(f"{'check':<58}{'cases':>8}  worst relative error")
        for check, (cases, error, where) in sorted(worst.items()):
            worst_error = "passed" if error is None else f"{error:.1e}  {where}"
            terminalreporter.write_line(f"{check:<58}{cases or '':>8}  {worst_error}")
