"""Reading a binary file from outside in a process of its own, which may use only so much memory, time and disk.

The libraries that unpack such files are large programs in C++; a file made for it may fill the memory or crash them.
Then this process dies, and the caller gets an error. Text has no declared sizes that could lie and no compression, and
is read in the caller's process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import storage
from domain_sdk.errors import FileNotTabularError, FileTooLargeError, FileUnreadableError, ReportedError
from storage.datasets.errors import (
    ColumnTypeUnsupportedError,
    DatasetReaderFailedError,
    FileFormatUnsupportedError,
    PickleRefusedError,
)
from storage.datasets.ingestion import DRAFT_FILE, DatasetDraft, ingest
from storage.datasets.reading.sniffing import head_of, kind_of
from storage.process_limits import confine

_GIB = 1024**3
MEMORY_BYTES = 6 * _GIB
CPU_SECONDS = 900
WALL_SECONDS = 1_800
_FILE_BYTES = 8 * _GIB
_FAILURE_FILE = "failure.json"
_SOURCE_ROOT = Path(storage.__file__).parent.parent
_ERRORS: dict[str, tuple[type[ReportedError], tuple[str, ...]]] = {
    "FileNotTabularError": (FileNotTabularError, ("reason",)),
    "FileUnreadableError": (FileUnreadableError, ("reason",)),
    "FileTooLargeError": (FileTooLargeError, ("actual", "limit", "unit")),
    "PickleRefusedError": (PickleRefusedError, ()),
    "FileFormatUnsupportedError": (FileFormatUnsupportedError, ("found", "hint")),
    "ColumnTypeUnsupportedError": (ColumnTypeUnsupportedError, ("column", "datatype")),
}


def ingest_confined(
    path: Path, folder: Path, memory_bytes: int = MEMORY_BYTES, *, as_bag: bool = False
) -> DatasetDraft:
    """Return what `ingest` returns, or raise what it raises, without trusting the file.

    Raises:
        DatasetReaderFailedError: The reader died or went beyond its limits.
    """
    if kind_of(path, head_of(path)).is_text:
        return ingest(path, folder, as_bag=as_bag)
    command = [sys.executable, "-P", "-m", "storage.datasets.confinement", str(path), str(folder), str(memory_bytes)]
    command += ["as-bag"] * as_bag
    environment = {"PATH": os.defpath, "PYTHONPATH": str(_SOURCE_ROOT), "OMP_NUM_THREADS": "1"}
    try:
        ended = subprocess.run(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DatasetReaderFailedError(file=path.name, reason=f"it took more than {WALL_SECONDS} s") from error
    if (folder / _FAILURE_FILE).exists():
        raise _failure(path, json.loads((folder / _FAILURE_FILE).read_bytes()))
    if ended.returncode != 0:
        raise DatasetReaderFailedError(file=path.name, reason=_ending(ended.returncode))
    return DatasetDraft.model_validate_json((folder / DRAFT_FILE).read_bytes())


def _ending(returncode: int) -> str:
    if returncode < 0:
        return f"it was ended by {signal.Signals(-returncode).name}"
    return f"it ended with exit code {returncode}"


def _failure(path: Path, document: dict[str, Any]) -> ReportedError:
    kind, names = _ERRORS[document["error"]]
    about: dict[str, Any] = {}
    if kind in {FileNotTabularError, FileUnreadableError, FileTooLargeError}:
        about = {"path": path}
    elif kind in {PickleRefusedError, FileFormatUnsupportedError}:
        about = {"file": path.name}
    return kind(**about, **{name: document[name] for name in names})


def main(arguments: list[str]) -> int:
    """Ingest one file within limits; leave the draft, or what is wrong with the file, in the folder."""
    path, folder, memory_bytes = Path(arguments[0]), Path(arguments[1]), int(arguments[2])
    confine(memory_bytes + path.stat().st_size, cpu_seconds=CPU_SECONDS, file_bytes=_FILE_BYTES)
    try:
        ingest(path, folder, as_bag="as-bag" in arguments)
    except tuple(kind for kind, _names in _ERRORS.values()) as error:
        names = _ERRORS[type(error).__name__][1]
        document = {"error": type(error).__name__, **{name: getattr(error, name) for name in names}}
        (folder / _FAILURE_FILE).write_text(json.dumps(document), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
