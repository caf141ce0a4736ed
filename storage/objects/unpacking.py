"""The members of an uploaded archive, one by one: names, counts and sizes that are taken, and those that are not."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict

from storage.errors import ArchiveRefusedError

_BLOCK_BYTES = 256 * 1024
_ENCODED = re.compile(r"%(?:2[ef]|5c|00)", re.IGNORECASE)
_DRIVE = re.compile(r"^[A-Za-z]:")
_NAME_BYTES, _SEGMENT_BYTES = 1_024, 255
_DEPTH = 16


class ArchiveLimits(BaseModel):
    """What an upload may hold.

    Attributes:
        ratio: How many times larger the content may be than the archive, beyond the first 16 MiB.
    """

    model_config = ConfigDict(frozen=True)

    members: int = 200_000
    member_bytes: int = 256 * 1024 * 1024
    total_bytes: int = 20 * 1024**3
    archive_bytes: int = 20 * 1024**3
    ratio: int = 200


class ArchiveMember(BaseModel):
    """A file of an archive.

    Attributes:
        name: What the archive calls it: relative, `/` between segments, Unicode in composed form.
        path: Where it is.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    path: Path
    size_bytes: int


class Unpacking:
    """Takes members one by one, each of them checked, and writes them under names of its own."""

    def __init__(self, folder: Path, limits: ArchiveLimits, archive_bytes: int) -> None:
        self.limits = limits
        self._folder = folder
        self._archive_bytes = archive_bytes
        self._names: set[str] = set()
        self._total_bytes = 0
        self._entries = 0
        self.members: list[ArchiveMember] = []

    def count(self, name: str) -> str:
        """Return the name of a file or folder, checked and composed.

        Raises:
            ArchiveRefusedError: The name, or one entry too many.
        """
        self._entries += 1
        if self._entries > self.limits.members:
            raise ArchiveRefusedError(reason=f"it has more than {self.limits.members} members")
        return checked_name(name)

    def take(self, name: str, content: IO[bytes]) -> None:
        """Write one file.

        Raises:
            ArchiveRefusedError: There is one of that name, or too much of it.
        """
        if name.casefold() in self._names:
            raise ArchiveRefusedError(member=name, reason="two members have that name, or names that differ in case")
        self._names.add(name.casefold())
        path = self._folder / f"{len(self.members):08d}"
        size_bytes = 0
        with path.open("xb") as target:
            while block := content.read(_BLOCK_BYTES):
                size_bytes += len(block)
                self._bound(name, size_bytes, len(block))
                target.write(block)
        self.members.append(ArchiveMember(name=name, path=path, size_bytes=size_bytes))

    def _bound(self, name: str, size_bytes: int, more_bytes: int) -> None:
        self._total_bytes += more_bytes
        if size_bytes > self.limits.member_bytes:
            raise ArchiveRefusedError(member=name, reason=f"it is larger than {self.limits.member_bytes} bytes")
        require_bounded(self._total_bytes, self._archive_bytes, self.limits)


def require_bounded(total_bytes: int, archive_bytes: int, limits: ArchiveLimits) -> None:
    """Return if so much may come out of an archive of that size.

    Raises:
        ArchiveRefusedError: It may not.
    """
    if total_bytes > limits.total_bytes:
        raise ArchiveRefusedError(reason=f"its content is larger than {limits.total_bytes} bytes")
    if total_bytes > 16 * 1024 * 1024 + limits.ratio * archive_bytes:
        raise ArchiveRefusedError(reason=f"its content is more than {limits.ratio} times larger than itself")


def checked_name(name: str) -> str:
    """Return a member's name in composed Unicode, without a `./` before it and the slash that ends a folder's.

    Raises:
        ArchiveRefusedError: It is absolute, leads somewhere else, or could be read as doing so.
    """
    problem = _problem(name.removeprefix("./"))  # as tar names what it packs from the folder that it stands in
    if problem is not None:
        raise ArchiveRefusedError(member=name, reason=problem)
    return unicodedata.normalize("NFC", name.removeprefix("./").removesuffix("/"))


def _problem(name: str) -> str | None:
    try:
        size_bytes = len(name.encode())
    except UnicodeEncodeError:
        return "its name is no Unicode text"
    segments = unicodedata.normalize("NFKC", name).removesuffix("/").split("/")
    checks = (
        (size_bytes > _NAME_BYTES, "its name is too long"),
        (any(len(segment.encode()) > _SEGMENT_BYTES for segment in segments), "its name is too long"),
        (len(segments) > _DEPTH, "it lies too deep"),
        (any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in name), "its name holds control characters"),
        ("\\" in name or "#" in name or "?" in name, "its name holds a backslash, # or ?"),
        (_ENCODED.search(name) is not None, "its name holds encoded separators"),
        (name.startswith("/") or _DRIVE.match(name) is not None, "its name is absolute"),
        (any(segment.strip(" .") == "" for segment in segments), "its name leads elsewhere"),
    )
    return next((reason for is_wrong, reason in checks if is_wrong), None)
