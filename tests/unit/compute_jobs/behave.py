"""A job that does what its specification says, for the tests of where jobs run."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path


def _say(**document: object) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _show_surroundings() -> None:
    _say(environment=dict(os.environ), stdin=sys.stdin.read(), leads_its_session=os.getsid(0) == os.getpid())


def _wait_to_be_stopped() -> None:
    _say(process_id=os.getpid())
    signal.pause()


def _refuse_to_stop() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _say(process_id=os.getpid())
    while True:
        signal.pause()


def _leave_a_child_behind() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    _say(process_id=child.pid)


def _crash() -> None:
    ctypes.string_at(0)


def _write_noise() -> None:
    sys.stdout.write("not json\n[1, 2]\n")
    _say(kind="sense")
    sys.stderr.write("last words\n")


def _end_without_line_end() -> None:
    sys.stdout.write('{"kind": "last"}')


_BEHAVIOURS = {
    "show_surroundings": _show_surroundings,
    "wait_to_be_stopped": _wait_to_be_stopped,
    "refuse_to_stop": _refuse_to_stop,
    "leave_a_child_behind": _leave_a_child_behind,
    "crash": _crash,
    "write_noise": _write_noise,
    "end_without_line_end": _end_without_line_end,
}

if __name__ == "__main__":
    _BEHAVIOURS[json.loads(Path(sys.argv[1]).read_text())["do"]]()
