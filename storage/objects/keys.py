"""Names of objects: made by the server from digests and from its own words, so that no path can be steered.

A URI says what its object is: `object://sha256/<digest>` bytes as they are, `object://sealed/<digest>` encrypted bytes
(both digests are of the bytes in the store), `object://records/<name>` a record that vouches for itself.
"""

from __future__ import annotations

import re

from storage.errors import ObjectUriError

OBJECTS, DATA_KEYS, RECORDS, QUARANTINE = "sha256", "keys", "records", "trash"
_DIGEST = "[0-9a-f]{64}"
_PLAIN = re.compile(rf"object://sha256/({_DIGEST})")
_SEALED = re.compile(rf"object://sealed/({_DIGEST})")
_SEGMENT = r"[a-z0-9][a-z0-9._-]{0,99}"
_RECORD = re.compile(rf"object://records/({_SEGMENT}(?:/{_SEGMENT}){{0,5}})")
_OBJECT_KEY = re.compile(r"sha256/([0-9a-f]{2})/([0-9a-f]{2})/(\1\2[0-9a-f]{60})")
_MENTIONED = re.compile(rf"object://(?:sha256|sealed)/{_DIGEST}(?![0-9a-f])")


def digest_of(uri: str) -> str:
    """Return the SHA-256 in the URI of an object that is stored as it is.

    Raises:
        ObjectUriError: The text is not such a URI made by an object store.
    """
    return _matched(_PLAIN, uri)


def is_sealed(uri: str) -> bool:
    """Return whether the URI is that of an encrypted object."""
    return _SEALED.fullmatch(uri) is not None


def sealed_digest_of(uri: str) -> str:
    """Return the SHA-256 of the encrypted bytes of a sealed object; raises as `digest_of`."""
    return _matched(_SEALED, uri)


def stored_digest_of(uri: str) -> str:
    """Return the SHA-256 of the stored bytes of an object, sealed or not; raises as `digest_of`."""
    return sealed_digest_of(uri) if is_sealed(uri) else digest_of(uri)


def plain_uri(digest: str) -> str:
    """Return the URI of bytes that are stored as they are."""
    return f"object://sha256/{digest}"


def sealed_uri(digest: str) -> str:
    """Return the URI of an encrypted object by the digest of its encrypted bytes."""
    return f"object://sealed/{digest}"


def record_uri(name: str) -> str:
    """Return the URI of a record.

    Raises:
        ObjectUriError: The name is not 1 to 6 segments of lower-case letters, digits, `.`, `_` and `-`.
    """
    uri = f"object://records/{name}"
    _matched(_RECORD, uri)
    return uri


def record_key(uri: str) -> str:
    """Return the key of a record, relative to the store's root; raises as `record_uri`."""
    return f"{RECORDS}/{_matched(_RECORD, uri)}"


def object_key(digest: str) -> str:
    """Return the key of an object, relative to the store's root: `sha256/aa/bb/<digest>`."""
    return f"{OBJECTS}/{digest[:2]}/{digest[2:4]}/{digest}"


def quarantine_key(digest: str) -> str:
    """Return the key under which an object waits for its removal."""
    return f"{QUARANTINE}/{object_key(digest)}"


def data_keys_prefix(digest: str) -> str:
    """Return the prefix of the keys under which the wrapped data keys of a sealed object are."""
    return f"{DATA_KEYS}/{digest[:2]}/{digest[2:4]}/{digest}/"


def digest_in_key(key: str) -> str | None:
    """Return the digest in the key of an object, in quarantine or not; `None` for what is no object's key."""
    match = _OBJECT_KEY.fullmatch(key.removeprefix(f"{QUARANTINE}/"))
    return None if match is None else match.group(3)


def mentioned_uris(text: str) -> frozenset[str]:
    """Return every URI of an object in a text."""
    return frozenset(_MENTIONED.findall(text))


def _matched(pattern: re.Pattern[str], uri: str) -> str:
    match = pattern.fullmatch(uri)
    if match is None:
        raise ObjectUriError(uri=uri)
    return match.group(1)
