"""Become another program that dies with the process that started this one: `python tether.py PARENT PROGRAM...`.

A worker killed with SIGKILL cannot stop its job, so the kernel is asked to (prctl(2), PR_SET_PDEATHSIG). The setting
survives execve. It is made here and not between fork and exec, where a process with threads may run next to nothing.
Outside Linux there is no such setting, and an orphaned job runs to its end. Imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent and execute the program named on the command line."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the kernel was asked.
    if os.getppid() != parent:
        raise SystemExit(-signal.SIGKILL)
    os.execv(program[0], program)  # noqa: S606 - the argument list comes from SubprocessCompute


if __name__ == "__main__":
    main()
