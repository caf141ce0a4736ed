"""Looking through a model file in a process of its own, which may use only so much memory and time.

JSON and messages take up many times their size where they are read. A file that is made to fill the memory ends that
process, and is refused.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import storage
from storage.datasets.errors import PickleRefusedError
from storage.model_files.door import require_safe_model_file
from storage.model_files.errors import ModelFileRefusedError
from storage.models.enums import ModelFormat
from storage.process_limits import confine

MEMORY_BYTES = 4 * 1024**3
CPU_SECONDS = 300
_WALL_SECONDS = 900
_SOURCE_ROOT = Path(storage.__file__).parent.parent


def look_through(path: Path, memory_bytes: int = MEMORY_BYTES) -> ModelFormat:
    """Return what `require_safe_model_file` returns, or raise what it raises, without trusting file or current folder.

    Raises:
        PickleRefusedError, ModelFileRefusedError: As there; the second also where looking takes more than it may.
    """
    command = [sys.executable, "-P", "-m", "storage.model_files.confinement", str(path), str(memory_bytes)]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(_SOURCE_ROOT), "OMP_NUM_THREADS": "1"}
    try:
        ended = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_WALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _beyond_limits(path) from error
    if ended.returncode != 0:
        raise _beyond_limits(path)
    verdict = json.loads(ended.stdout)
    if "format" in verdict:
        return ModelFormat(verdict["format"])
    if verdict["reason"] is None:
        raise PickleRefusedError(file=path.name)
    raise ModelFileRefusedError(file=path.name, reason=verdict["reason"])


def main(path: Path, memory_bytes: int) -> None:
    """Look through one file within limits; write the verdict to stdout."""
    confine(memory_bytes + path.stat().st_size, cpu_seconds=CPU_SECONDS, file_bytes=0)
    verdict: dict[str, str | None]
    try:
        verdict = {"format": require_safe_model_file(path)}
    except PickleRefusedError:
        verdict = {"reason": None}
    except ModelFileRefusedError as error:
        verdict = {"reason": error.reason}
    sys.stdout.write(json.dumps(verdict))


def _beyond_limits(path: Path) -> ModelFileRefusedError:
    return ModelFileRefusedError(file=path.name, reason="looking through it takes more memory or time than it may")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
