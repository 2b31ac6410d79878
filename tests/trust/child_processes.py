"""Work in forked children: processes that cost next to nothing, and may be killed."""

import os
import signal
import time
import traceback

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def fork(work, *arguments):
    """Start work(*arguments) in a child -> its process id. The child ends with 0, or with 1 and a traceback."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work(*arguments)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def outcome(pid):
    """How a child ended: its exit code, or minus the number of the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_after(pid, seconds):
    """Kill a child after a while -> True; False where it had ended by itself, and well."""
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    code = outcome(pid)
    assert code in (0, -signal.SIGKILL)
    return code != 0


def kill_this_process():
    os.kill(os.getpid(), signal.SIGKILL)
