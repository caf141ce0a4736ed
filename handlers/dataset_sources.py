"""Where dataset files may come from: folders and web servers that the operator named, nothing else."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from domain_sdk.errors import FileUnreadableError
from handlers.errors import SourceNotAllowedError
from handlers.remote_sources import download, is_remote, resolve_host
from handlers.services import Limits
from handlers.workplaces import workplace
from storage.datasets.limits import DEFAULT_READING_LIMITS

_COPY_BYTES = 1024 * 1024


def local_source(source_uri: str, roots: tuple[Path, ...]) -> Path:
    """Return the file that a `file://` URI names, links resolved.

    Raises:
        SourceNotAllowedError: Another scheme, a host, a query or fragment, a path outside `roots`, a pipe or device.
    """
    refusal = SourceNotAllowedError(source_uri=source_uri, roots=tuple(str(root) for root in roots))
    try:
        parts = urlsplit(source_uri)
        resolved = Path(unquote(parts.path)).resolve()
    except (ValueError, RuntimeError) as error:  # no URI, NUL or half a character in the path, links in a circle
        raise refusal from error
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
        raise refusal
    if not parts.path.startswith("/") or not any(resolved.is_relative_to(root) for root in roots):
        raise refusal
    if _is_pipe_or_device(resolved):
        raise refusal
    return resolved


@contextmanager
def source_copy(source_uri: str, limits: Limits) -> Iterator[Path]:
    """Yield a private copy of a source, from an import folder or from a web server that the operator named.

    Raises:
        SourceNotAllowedError, FileUnreadableError, FileTooLargeError: As `private_copy`.
        SourceAddressRefusedError, SourceUnreachableError: As `download`.
    """
    if not is_remote(source_uri):
        with private_copy(source_uri, limits.import_roots) as path:
            yield path
        return
    with workplace() as folder:
        yield download(source_uri, folder / "source", limits.remote_sources, resolve_host, time.monotonic)


@contextmanager
def private_copy(source_uri: str, roots: tuple[Path, ...]) -> Iterator[Path]:
    """Yield a copy of the source that nobody else can change or swap while it is checked and stored.

    Raises:
        SourceNotAllowedError: As `local_source`, also where the file was swapped for another meanwhile.
        FileUnreadableError, FileTooLargeError: The file cannot be read, or is larger than the platform takes.
    """
    path = local_source(source_uri, roots)
    with workplace() as folder:
        copy = folder / path.name
        try:
            _copy_unswapped(path, copy)
        except OSError as error:
            raise FileUnreadableError(path=path, reason=error.strerror or str(error)) from error
        except _SwappedError as error:
            raise SourceNotAllowedError(source_uri=source_uri, roots=tuple(map(str, roots))) from error
        yield copy


def _copy_unswapped(path: Path, copy: Path) -> None:
    # NOFOLLOW and NONBLOCK: a link or a pipe put in the file's place is neither followed nor waited for.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as source:
        opened = os.fstat(source.fileno())
        is_same = os.path.samestat(opened, path.stat()) and path.resolve() == path
        if not is_same or not stat.S_ISREG(opened.st_mode):
            raise _SwappedError
        DEFAULT_READING_LIMITS.require_file(path, opened.st_size)
        with copy.open("wb") as target:
            while part := source.read(_COPY_BYTES):
                target.write(part)
                DEFAULT_READING_LIMITS.require_file(path, target.tell())  # it may be growing


class _SwappedError(Exception):
    """Between check and opening, something else took the file's place."""


def _is_pipe_or_device(path: Path) -> bool:
    """Return whether opening `path` may wait for ever, or do something."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
