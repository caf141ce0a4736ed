"""The bytes of a sealed object: chunks of AES-256-GCM under a key that no other object has.

A header (what this is, the chunk size, a random prefix of all nonces), the chunks, and a trailer with the content's
size and SHA-256. A chunk's nonce holds the prefix, the chunk's number and whether it is the trailer, so chunks that
were left out, repeated, exchanged, or taken from another object do not open. Each chunk opens by itself.

Source: the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance", 2015.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.errors import SealBrokenError

KEY_BYTES = 32
CHUNK_BYTES = 64 * 1024
NONCE_PREFIX_BYTES = 7
_MAGIC = b"AMISEAL1"
_HEADER = struct.Struct(f">8sI{NONCE_PREFIX_BYTES}s")
_TRAILER = struct.Struct(">Q32s")
_TAG_BYTES = 16
HEADER_BYTES = _HEADER.size
TRAILER_BYTES = _TRAILER.size + _TAG_BYTES
SEALED_CHUNK_BYTES = CHUNK_BYTES + _TAG_BYTES


class Trailer(NamedTuple):
    """What the sealed content is."""

    size_bytes: int
    sha256: str


class Sealing:
    """Seals one content; `trailer` is known when `sealed` has yielded all."""

    def __init__(self, data_key: bytes, nonce_prefix: bytes) -> None:
        self._cipher = _Cipher(data_key, nonce_prefix)
        self._sha256 = hashlib.sha256()
        self._size_bytes = 0

    @property
    def trailer(self) -> Trailer:
        """The content's size and digest."""
        return Trailer(self._size_bytes, self._sha256.hexdigest())

    def sealed(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the sealed bytes of a content given in pieces of any size."""
        yield self._cipher.header
        index = 0
        for chunk in _rechunked(pieces, CHUNK_BYTES):
            self._sha256.update(chunk)
            self._size_bytes += len(chunk)
            yield self._cipher.seal(index, chunk)
            index += 1
        trailer = _TRAILER.pack(self._size_bytes, self._sha256.digest())
        yield self._cipher.seal(index, trailer, is_last=True)


def opened(uri: str, data_key: bytes, sealed: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a sealed object, the last chunk only when everything has been verified.

    Raises:
        SealBrokenError: The bytes are not those that were sealed with that key.
    """
    pieces = iter(sealed)
    start = b""
    while len(start) < HEADER_BYTES and (piece := next(pieces, b"")):
        start += piece
    cipher = _cipher_of(uri, data_key, start[:HEADER_BYTES])
    sha256, size_bytes, index, held = hashlib.sha256(), 0, 0, b""
    for chunk in _all_but_trailer(_prepended(start[HEADER_BYTES:], pieces)):
        if chunk.is_trailer:
            trailer = _parse_trailer(cipher.open(uri, index, chunk.content, is_last=True))
            break
        if held:
            yield held
        held = cipher.open(uri, index, chunk.content)
        sha256.update(held)
        size_bytes, index = size_bytes + len(held), index + 1
    if trailer != (size_bytes, sha256.hexdigest()):
        raise SealBrokenError(uri=uri, reason="its content is not what its trailer says")
    if held:
        yield held


def content_bytes(uri: str, stored_bytes: int) -> int:
    """Return the size of the content of a sealed object of `stored_bytes`.

    Raises:
        SealBrokenError: No content has that size when it is sealed.
    """
    body = stored_bytes - HEADER_BYTES - TRAILER_BYTES
    chunks, rest = divmod(body, SEALED_CHUNK_BYTES)
    if body < 0 or 0 < rest <= _TAG_BYTES:
        raise SealBrokenError(uri=uri, reason="it is too short")
    return chunks * CHUNK_BYTES + (rest - _TAG_BYTES if rest else 0)


def chunk_count(size_bytes: int) -> int:
    """Return in how many chunks a content of that size is sealed."""
    return -(-size_bytes // CHUNK_BYTES)


class ChunkOpener:
    """Opens single chunks of one sealed object, of which the header and the trailer have been read and verified."""

    def __init__(self, uri: str, data_key: bytes, header: bytes, trailer: bytes, stored_bytes: int) -> None:
        """Verify that the object ends where it ended when it was sealed.

        Raises:
            SealBrokenError: It does not, or header or trailer are not those that were sealed.
        """
        self._uri = uri
        self._cipher = _cipher_of(uri, data_key, header)
        count = chunk_count(content_bytes(uri, stored_bytes))
        self.trailer = _parse_trailer(self._cipher.open(uri, count, trailer, is_last=True))

    def open(self, index: int, sealed: bytes) -> bytes:
        """Return the content of the chunk with that number; raises as the constructor."""
        return self._cipher.open(self._uri, index, sealed)


class _Cipher:
    def __init__(self, data_key: bytes, nonce_prefix: bytes) -> None:
        self.header = _HEADER.pack(_MAGIC, CHUNK_BYTES, nonce_prefix)
        self._prefix = nonce_prefix
        self._aes = AESGCM(data_key)

    def seal(self, index: int, content: bytes, *, is_last: bool = False) -> bytes:
        return self._aes.encrypt(self._nonce(index, is_last=is_last), content, self.header)

    def open(self, uri: str, index: int, sealed: bytes, *, is_last: bool = False) -> bytes:
        try:
            return self._aes.decrypt(self._nonce(index, is_last=is_last), sealed, self.header)
        except InvalidTag as error:
            part = "its end" if is_last else f"chunk {index}"
            raise SealBrokenError(uri=uri, reason=f"{part} is not what was sealed") from error

    def _nonce(self, index: int, *, is_last: bool) -> bytes:
        return self._prefix + struct.pack(">I?", index, is_last)


class _Chunk(NamedTuple):
    content: bytes
    is_trailer: bool


def _cipher_of(uri: str, data_key: bytes, header: bytes) -> _Cipher:
    if len(header) == HEADER_BYTES:
        magic, chunk_bytes, prefix = _HEADER.unpack(header)
        if (magic, chunk_bytes) == (_MAGIC, CHUNK_BYTES):
            return _Cipher(data_key, prefix)
    raise SealBrokenError(uri=uri, reason="it does not begin like a sealed object")


def _parse_trailer(content: bytes) -> Trailer:
    size_bytes, digest = _TRAILER.unpack(content)
    return Trailer(size_bytes, digest.hex())


def _all_but_trailer(pieces: Iterable[bytes]) -> Iterator[_Chunk]:
    """Yield the sealed chunks, and last the trailer, which is only known by nothing following it."""
    rest = bytearray()
    for piece in pieces:
        rest += piece
        while len(rest) >= SEALED_CHUNK_BYTES + TRAILER_BYTES:
            yield _Chunk(bytes(rest[:SEALED_CHUNK_BYTES]), is_trailer=False)
            del rest[:SEALED_CHUNK_BYTES]
    if len(rest) > TRAILER_BYTES:
        yield _Chunk(bytes(rest[:-TRAILER_BYTES]), is_trailer=False)
    yield _Chunk(bytes(rest[-TRAILER_BYTES:]), is_trailer=True)


def _prepended(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def _rechunked(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    rest = bytearray()
    for piece in pieces:
        rest += piece
        while len(rest) >= size:
            yield bytes(rest[:size])
            del rest[:size]
    if rest:
        yield bytes(rest)
