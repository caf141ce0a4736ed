"""The process behind `terminal.py`: it loads the command line once, and forks for each call that it is told about.

A line of its input is a call: arguments, folder, environment, three files. A line of its output is an exit code.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys

import learning.audit
import learning.cli
import learning.demo
import learning.diagram_simulation
import learning.schema
import learning.supervisor

_PATIENCE_SECONDS = 300


def _become(arguments: list[str], folder: str, environment: dict[str, str], files: list[str]) -> None:
    """Look like a process that was started as it was asked for; it ends itself where it lasts too long."""
    signal.alarm(_PATIENCE_SECONDS)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, (path, flags) in enumerate(zip(files, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
        os.dup2(os.open(path, flags), descriptor)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - what was read ahead of the calls to come is not this one's
    sys.argv = ["ami-learning", *arguments]


def _is_child() -> bool:
    """Answer calls until there are no more; true in the child that has to do one."""
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            _become(*json.loads(line))
            return True
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - this is the answer
    return False


gc.collect()
gc.freeze()  # or each child would walk over all that it shares when it ends, and copy it on the way
if _is_child():
    learning.cli.main()
