"""Sealed bytes open as they were sealed, part by part too, and in no other way."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import MasterKeyUnusableError, SealBrokenError
from storage.objects.envelope import (
    CHUNK_BYTES,
    HEADER_BYTES,
    SEALED_CHUNK_BYTES,
    TRAILER_BYTES,
    Sealing,
    Trailer,
    _Cipher,
    content_bytes,
    opened,
)
from storage.objects.master_keys import LocalKeys, parse_master_keys

URI = f"object://sealed/{'0' * 64}"
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
CONTENT = b"".join(bytes([number]) * CHUNK_BYTES for number in range(3)) + b"the rest"


def seal(content: bytes, key: bytes = KEY, prefix: bytes = b"nonces!", piece: int = 100_000) -> bytes:
    pieces = (content[start : start + piece] for start in range(0, len(content), piece))
    return b"".join(Sealing(key, prefix).sealed(pieces))


def open_all(sealed: bytes, key: bytes = KEY, piece: int = 77_777) -> bytes:
    return b"".join(opened(URI, key, (sealed[start : start + piece] for start in range(0, len(sealed), piece))))


@given(
    size=st.one_of(
        st.integers(0, 40), st.integers(CHUNK_BYTES - 20, CHUNK_BYTES + 20), st.integers(2 * CHUNK_BYTES - 2, 150_000)
    ),
    put=st.integers(1, 150_000),
    read=st.integers(1, 150_000),
)
def test_what_was_sealed_opens_whatever_the_pieces(size: int, put: int, read: int) -> None:
    content = hashlib.shake_128(str(size).encode()).digest(size)
    sealed = seal(content, piece=put)

    assert open_all(sealed, piece=max(read, len(sealed) // 500)) == content
    assert content_bytes(URI, len(sealed)) == size


def test_the_trailer_says_what_the_content_is() -> None:
    sealing = Sealing(KEY, b"nonces!")
    list(sealing.sealed([CONTENT]))

    assert sealing.trailer == Trailer(len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def test_equal_contents_differ_when_they_are_sealed() -> None:
    assert seal(CONTENT) != seal(CONTENT, key=OTHER_KEY)
    assert CONTENT[:64] not in seal(CONTENT)


def chunk(sealed: bytes, index: int) -> bytes:
    start = HEADER_BYTES + index * SEALED_CHUNK_BYTES
    return sealed[start : start + SEALED_CHUNK_BYTES]


def body(sealed: bytes) -> bytes:
    return sealed[HEADER_BYTES:-TRAILER_BYTES]


SEALED = seal(CONTENT)
HEAD, TAIL = SEALED[:HEADER_BYTES], SEALED[-TRAILER_BYTES:]
FIRST, SECOND, THIRD, REST = (chunk(SEALED, 0), chunk(SEALED, 1), chunk(SEALED, 2), body(SEALED)[-24:])
ANOTHER = seal(CONTENT, prefix=b"another")
TAMPERED = {
    "a flipped bit": HEAD + FIRST + SECOND[:-1] + bytes([SECOND[-1] ^ 1]) + THIRD + REST + TAIL,
    "another version": b"AMISEAL2" + SEALED[8:],
    "another chunk size": SEALED[:8] + b"\0\0\1\0" + SEALED[12:],
    "another nonce prefix": HEAD[:-1] + b"?" + SEALED[HEADER_BYTES:],
    "the last chunk left out": HEAD + FIRST + SECOND + THIRD + TAIL,
    "a chunk left out": HEAD + FIRST + THIRD + REST + TAIL,
    "everything left out": HEAD + TAIL,
    "no trailer": HEAD + body(SEALED),
    "two chunks exchanged": HEAD + SECOND + FIRST + THIRD + REST + TAIL,
    "a chunk repeated": HEAD + FIRST + FIRST + SECOND + THIRD + REST + TAIL,
    "a chunk of an object with the same key": HEAD + FIRST + chunk(ANOTHER, 1) + THIRD + REST + TAIL,
    "the trailer of such an object": HEAD + body(SEALED) + ANOTHER[-TRAILER_BYTES:],
    "something behind the end": SEALED + b"x",
    "another chunk behind the end": SEALED + FIRST,
    "the trailer as a chunk": HEAD + body(SEALED) + TAIL + TAIL,
    "a header alone": HEAD,
    "half a header": HEAD[:5],
    "nothing": b"",
}


@pytest.mark.parametrize("tampered", TAMPERED.values(), ids=TAMPERED)
def test_bytes_that_are_not_those_that_were_sealed_do_not_open(tampered: bytes) -> None:
    seen: list[bytes] = []

    with pytest.raises(SealBrokenError) as raised:
        seen.extend(opened(URI, KEY, iter([tampered])))

    assert raised.value.uri == URI
    assert CONTENT.startswith(b"".join(seen))
    assert b"".join(seen) != CONTENT


def test_a_content_that_looks_like_a_trailer_does_not_end_the_object() -> None:
    first = CONTENT[:CHUNK_BYTES]
    forged = len(first).to_bytes(8, "big") + hashlib.sha256(first).digest()
    sealed = seal(first + forged)

    assert open_all(sealed) == first + forged
    with pytest.raises(SealBrokenError):
        open_all(sealed[:-TRAILER_BYTES])


def test_a_trailer_that_speaks_of_another_content_is_refused() -> None:
    cipher = _Cipher(KEY, b"nonces!")
    of_another = len(CONTENT).to_bytes(8, "big") + hashlib.sha256(b"another").digest()
    sealed = SEALED[:-TRAILER_BYTES] + cipher.seal(4, of_another, is_last=True)

    with pytest.raises(SealBrokenError) as raised:
        open_all(sealed)

    assert raised.value.reason == "its content is not what its trailer says"


def test_another_key_opens_nothing() -> None:
    with pytest.raises(SealBrokenError):
        open_all(SEALED, OTHER_KEY)


@pytest.mark.parametrize(
    "stored_bytes", [0, HEADER_BYTES, HEADER_BYTES + TRAILER_BYTES - 1, HEADER_BYTES + TRAILER_BYTES + 16]
)
def test_no_content_has_the_size_of_a_truncated_object(stored_bytes: int) -> None:
    with pytest.raises(SealBrokenError):
        content_bytes(URI, stored_bytes)


def test_a_data_key_is_unwrapped_for_its_own_object_by_its_own_master_key_only() -> None:
    keys, others = LocalKeys((KEY, OTHER_KEY)), LocalKeys((OTHER_KEY,))
    wrapped = keys.wrap(b"d" * 32, b"this object")
    changed = wrapped[:-1] + bytes([wrapped[-1] ^ 1])

    assert keys.unwrap(keys.key_ids[0], wrapped, b"this object") == b"d" * 32
    assert keys.unwrap(keys.key_ids[0], wrapped, b"another object") is None
    assert keys.unwrap(keys.key_ids[1], wrapped, b"this object") is None
    assert others.unwrap(keys.key_ids[0], wrapped, b"this object") is None
    assert keys.unwrap(keys.key_ids[0], changed, b"this object") is None
    assert keys.unwrap(keys.key_ids[0], wrapped[:5], b"this object") is None
    assert b"d" * 32 not in wrapped


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no key"),
        ("# none yet\n\n", "there is no key"),
        ("a2tr", "a key has 3 bytes instead of 32"),
        ("not base64!", "a line is not base64"),
    ],
)
def test_what_is_no_master_key_is_refused_without_repeating_it(text: str, reason: str) -> None:
    with pytest.raises(MasterKeyUnusableError) as raised:
        parse_master_keys(text, "keys.txt")

    assert (raised.value.source, raised.value.reason) == ("keys.txt", reason)
