"""Pictures one behind the other in files of some MiB: a million of them are some thousand objects, not a million.

Which picture lies where follows from the rows, which are in the same order and say how long each picture is.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict

_MIB = 1024 * 1024
_SMALLEST_BYTES, _LARGEST_BYTES = 4 * _MIB, 32 * _MIB
_CUTTING = 16


class PackDescription(BaseModel):
    """A file of pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    image_count: int


class PackWriter:
    """Writes packs into a folder.

    A pack of 4 MiB or more ends with the next picture whose digest says so (one in 16), and in any case with the one
    that makes it 32 MiB. So where pictures are added or taken out, the packs behind that place soon are the same again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._packs: list[PackDescription] = []
        self._file: BinaryIO | None = None
        self._image_count = 0

    def add(self, content: bytes, digest: bytes) -> None:
        """Write a picture, whose SHA-256 is `digest`, behind those before."""
        if self._file is None:
            self._file, self._image_count = (self._folder / self._name).open("xb"), 0
        self._file.write(content)
        self._image_count += 1
        size = self._file.tell()
        if size >= _LARGEST_BYTES or (size >= _SMALLEST_BYTES and digest[0] % _CUTTING == 0):
            self._end()

    def finished(self) -> tuple[PackDescription, ...]:
        """Return the packs, the last one ended."""
        self._end()
        return tuple(self._packs)

    def close(self) -> None:
        """Close what is open, where nothing more is to come."""
        if self._file is not None:
            self._file.close()

    @property
    def _name(self) -> str:
        return f"pack-{len(self._packs):06}"

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._packs.append(PackDescription(file=self._name, image_count=self._image_count))
            self._file = None
