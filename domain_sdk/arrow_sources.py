"""What Arrow reads without Python.

Arrow reads ahead on threads of its own, and may still do so after its reader is gone. There, a file object of Python
would be read by Python, and bytes of Python be let go of by Python. But once a process has begun to end, a thread that
enters Python is ended where it stands; within Arrow, the process then aborts ("terminate called without an active
exception") or waits for that thread for ever.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, cast

import pyarrow as pa

__all__ = ["native_buffer", "native_file"]


def native_file(path: Path) -> IO[bytes]:
    """Return a file for Arrow, which closes it when the last of its threads lets go of it.

    Raises:
        OSError: It cannot be opened.
    """
    return cast("IO[bytes]", pa.OSFile(str(path), "rb"))


def native_buffer(content: bytes) -> IO[bytes]:
    """Return a copy of bytes that Arrow owns, as a file."""
    copy = pa.allocate_buffer(len(content))
    pa.FixedSizeBufferWriter(copy).write(content)
    return cast("IO[bytes]", pa.BufferReader(copy))
