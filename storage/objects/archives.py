"""Uploaded archives, taken apart without trusting them: zip, and tar with or without gzip, bzip2 or xz.

Members become files under names that are made here; what the archive calls them is only told. So no name can lead out
of the folder, and names that try are refused all the same, since whoever wrote them means no good. Every count, size
and ratio is bounded, by what is really unpacked and not by what the archive says of itself.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from storage.errors import ArchiveRefusedError
from storage.objects.archive_formats import unpack
from storage.objects.unpacking import ArchiveLimits, ArchiveMember, Unpacking

__all__ = ["ArchiveLimits", "ArchiveMember", "extract_archive"]


def extract_archive(archive: Path, folder: Path, limits: ArchiveLimits | None = None) -> tuple[ArchiveMember, ...]:
    """Write an archive's files into a new folder and return them by name, in order.

    Raises:
        ArchiveRefusedError: The archive is damaged, hostile or too large; the folder is not there.
        FileExistsError: The folder exists; it stays as it is.
    """
    limits = limits or ArchiveLimits()
    archive_bytes = archive.stat().st_size
    if archive_bytes > limits.archive_bytes:
        raise ArchiveRefusedError(reason=f"it is larger than {limits.archive_bytes} bytes")
    folder.mkdir(mode=0o700)
    try:
        unpacking = Unpacking(folder, limits, archive_bytes)
        unpack(archive, folder, unpacking)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return tuple(sorted(unpacking.members, key=lambda member: member.name))
