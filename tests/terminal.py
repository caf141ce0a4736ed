"""The command line as it is typed: each call is a process, forked from one that has loaded everything already.

So a call costs no start of the interpreter and no imports. That `python -m learning` starts at all is held by the tests
that run `demo` and `up`.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

_ONE_AT_A_TIME = threading.Lock()


def typed(folder: Path, *arguments: str, given: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `ami-learning` in a folder, with settings of its own and something on its standard input."""
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name, each) for each in ("given", "stdout", "stderr")]
        for file, content in zip(files, (given, "", ""), strict=True):
            file.write_text(content, encoding="utf-8")
        call = [arguments, str(folder), {**os.environ, **settings}, [str(file) for file in files]]
        exit_code = _answer(json.dumps(call))
        return subprocess.CompletedProcess(arguments, exit_code, *(file.read_text("utf-8") for file in files[1:]))


def _answer(call: str) -> int:
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    with _ONE_AT_A_TIME:
        process.stdin.write(f"{call}\n")
        process.stdin.flush()
        return int(process.stdout.readline())


@cache
def _process() -> subprocess.Popen[str]:
    script = str(Path(__file__).with_name("command_line_process.py"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    atexit.register(process.communicate)
    return process
