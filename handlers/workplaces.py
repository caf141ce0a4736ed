"""Folders in which jobs work: removed when the job is over, and swept when its process was killed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.processes import is_alive

_NAME = re.compile(r"ami-learning-(\d+)-\w+")


@contextmanager
def workplace() -> Iterator[Path]:
    """Yield a folder for one attempt of one job, named after this process."""
    with tempfile.TemporaryDirectory(prefix=f"ami-learning-{os.getpid()}-") as name:
        yield Path(name)


def sweep_workplaces() -> None:
    """Remove the folders of processes that are gone; each may hold a copy of a dataset."""
    for path in Path(tempfile.gettempdir()).glob("ami-learning-*"):
        match = _NAME.fullmatch(path.name)
        if match is not None and _is_ours(path) and not is_alive(int(match.group(1))):
            shutil.rmtree(path, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.getuid()
