"""Errors of objects, and how they are read and kept."""

from __future__ import annotations

from storage.errors.base import StorageError, printable


class ObjectNotFoundError(StorageError):
    """The object store does not hold the object."""

    code = "OBJECT_NOT_FOUND"
    hint = "Check LEARNING_ARTIFACT_ROOT: the server may look at another folder or bucket."

    def __init__(self, *, uri: str) -> None:
        self.uri = uri
        super().__init__(f"Object {uri} is not in the object store.")


class ObjectCorruptError(StorageError):
    """The bytes read do not have the digest under which they are stored."""

    code = "OBJECT_CORRUPT"
    hint = "Restore the object from a backup; nothing may use the bytes that are there."

    def __init__(self, *, uri: str, expected: str, actual: str) -> None:
        self.uri = uri
        self.expected = expected
        self.actual = actual
        super().__init__(f"Object {uri} has digest {actual} instead of {expected}.")


class SealBrokenError(ObjectCorruptError):
    """The bytes of a sealed object, or of its data key, are not those that were sealed."""

    code = "OBJECT_SEAL_BROKEN"

    def __init__(self, *, uri: str, reason: str) -> None:
        self.reason = reason
        super().__init__(uri=uri, expected=uri.rpartition("/")[2], actual="unknown")
        self.args = (f"Sealed object {uri} is not what was stored: {reason}.",)


class ObjectUriError(StorageError):
    """An object URI that this server did not make."""

    code = "OBJECT_URI_INVALID"
    hint = "Object URIs look like object://sha256/<64 hexadecimal digits> and are made by the server."

    def __init__(self, *, uri: str) -> None:
        self.uri = uri[:200]
        super().__init__(f"{self.uri!r} is not an object URI.")


class ObjectSourceChangedError(StorageError):
    """Somebody wrote to the file while it was being stored; nothing was stored."""

    code = "OBJECT_SOURCE_CHANGED"
    hint = "Wait until whoever writes the file has finished, then store it again."
    retryable = True

    def __init__(self, *, uri: str) -> None:
        self.uri = uri
        super().__init__(f"The file that was to become {uri} changed while it was being read.")


class ObjectRangeError(StorageError):
    """A part of an object that lies outside of it."""

    code = "OBJECT_RANGE_INVALID"

    def __init__(self, *, uri: str, start: int, size: int, size_bytes: int) -> None:
        self.uri = uri
        self.start = start
        self.size = size
        self.size_bytes = size_bytes
        self.hint = f"Ask for bytes from 0 to {size_bytes}."
        super().__init__(f"Object {uri} has no {size} bytes from {start} on.")


class RecordExistsError(StorageError):
    """A record of that name is kept already, and its content is another."""

    code = "RECORD_EXISTS"
    hint = "Records are created once. Find out who wrote the one that is there; to write under another name hides it."

    def __init__(self, *, uri: str) -> None:
        self.uri = uri
        super().__init__(f"Record {uri} exists with other content.")


class ObjectStoreUnavailableError(StorageError):
    """The object store does not answer, or refuses us."""

    code = "OBJECT_STORE_UNAVAILABLE"
    hint = "Check the disk of LEARNING_ARTIFACT_ROOT, or the LEARNING_S3_* settings, then try again."
    retryable = True

    def __init__(self, *, endpoint: str, reason: str) -> None:
        self.endpoint = endpoint
        self.reason = reason
        super().__init__(f"The object store at {endpoint} is not available: {reason}.")


class ObjectClientUnsupportedError(StorageError):
    """The installed S3 client lacks requests that uploads in parts are made of."""

    code = "OBJECT_CLIENT_UNSUPPORTED"
    hint = "Install the version of minio that requirements.pinned.txt names."

    def __init__(self, *, client: str, methods: tuple[str, ...]) -> None:
        self.client = client
        self.methods = methods
        super().__init__(f"{client} does not have {', '.join(methods)} as they are used here.")


class ReferencesUnreadableError(StorageError):
    """Objects that may name others cannot be read, so nobody knows what else is needed; nothing was collected."""

    code = "OBJECT_REFERENCES_UNREADABLE"
    hint = "Restore these objects from a backup, or delete the records that name them; then collect again."

    def __init__(self, *, uris: tuple[str, ...]) -> None:
        self.uris = uris
        named = ", ".join(uris[:5])
        super().__init__(f"{len(uris)} objects that may name others cannot be read: {named}.")


class RetentionPolicyError(StorageError):
    """A retention rule that cannot be understood."""

    code = "RETENTION_POLICY_INVALID"
    hint = "Write rules as 'default=30,ModelArtifact=365,DatasetVersion/restricted=3650', in days."

    def __init__(self, *, rule: str) -> None:
        self.rule = rule
        super().__init__(f"{rule!r} is not a retention rule.")


class ArchiveRefusedError(StorageError):
    """An uploaded archive that is not taken; nothing of it was kept.

    Attributes:
        member: The name of the member at fault, made printable; empty where it is the archive as a whole.
    """

    code = "ARCHIVE_REFUSED"
    hint = "Pack plain files under relative names, without links, within the limits of an upload."

    def __init__(self, *, reason: str, member: str = "") -> None:
        self.member = printable(member)
        self.reason = reason
        where = f" at {self.member!r}" if member else ""
        super().__init__(f"The archive is refused{where}: {reason}.")


class LinkRefusedError(StorageError):
    """A download link that is not, or no longer, good for what is asked."""

    code = "LINK_REFUSED"
    hint = "Ask for a new link, to an object that the record names."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The link is refused: {reason}.")
