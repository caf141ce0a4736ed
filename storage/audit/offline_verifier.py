"""Verify an audit bundle: this file alone, with Python 3.11 and the package `cryptography`.

    python offline_verifier.py bundle.tar --key KEY [--tenant TENANT] [--known CHECKPOINT ...]

KEY is a public key, `<name>+<id>+<base64>`, or a file that holds one; TENANT is whose trail you asked for; CHECKPOINT
is a file with a checkpoint that you have from before, of the tenant or of the whole log. It prints what is wrong, the
first bad leaf first, and ends with exit code 1; with 0 where nothing is; with 2 where the arguments are of no use.

It shares no code with the program that wrote the bundle. Formats: RFC 6962 (trees), C2SP signed-note and
tlog-checkpoint (signatures), RFC 8785 (leaves).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASH = 32
BLOCK = 1024 * 1024
FORMAT = 1
MEMBERS = (
    *("bundle.json", "keys.json", "checkpoint", "checkpoints.json", "global.json", "hashes.bin"),
    *("leaves.jsonl", "personal.jsonl"),
)
ROTATION = "ami-learning audit key rotation"
SHOWN = 20


@dataclass(frozen=True)
class Finding:
    """Something that is wrong; `leaf` is the number of the leaf, from 0, where one is to blame."""

    code: str
    sentence: str
    leaf: int | None = None


class BundleError(Exception):
    """The bundle cannot be read at all."""


@dataclass(frozen=True)
class Key:
    """A public key of a signed note."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n\x01" + self.public_key).digest()[:4]


@dataclass(frozen=True)
class Note:
    """A signed checkpoint or key rotation."""

    text: str
    signatures: tuple[tuple[str, bytes], ...]

    @property
    def lines(self) -> list[str]:
        """The lines that are signed."""
        return self.text.splitlines()


@dataclass(frozen=True)
class Checkpoint:
    """The size and the root that a tree had, and the note that says so."""

    origin: str
    size: int
    root: bytes
    note: Note


class Tree:
    """A Merkle tree over hashes of leaves (RFC 6962, 2.1), with its roots at all sizes."""

    def __init__(self, hashes: bytes) -> None:
        self.size = len(hashes) // HASH
        self._levels = [hashes]
        while len(self._levels[-1]) > HASH:
            self._levels.append(_parents(self._levels[-1]))

    def root(self, size: int) -> bytes:
        """Return the root over the first leaves."""
        if size == 0:
            return hashlib.sha256(b"").digest()
        subtrees, start = [], 0
        while start < size:
            height = (size - start).bit_length() - 1
            first = (start >> height) * HASH
            subtrees.append(self._levels[height][first : first + HASH])
            start += 1 << height
        root = subtrees.pop()
        while subtrees:
            root = _node(subtrees.pop(), root)
        return root


def _parents(hashes: bytes) -> bytes:
    whole = len(hashes) // (2 * HASH) * 2 * HASH
    sha256 = hashlib.sha256
    pairs = [sha256(b"\x01" + hashes[at : at + 2 * HASH]).digest() for at in range(0, whole, 2 * HASH)]
    return b"".join(pairs) + hashes[whole:]


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def read_key(line: str) -> Key:
    """Return the key that a line describes; `ValueError` where it describes none."""
    name, key_id, encoded = line.strip().split("+", 2)
    content = base64.b64decode(encoded, validate=True)
    key = Key(name, content[1:])
    if content[:1] != b"\x01" or len(content) != HASH + 1 or key.key_id.hex() != key_id:
        raise ValueError("not an Ed25519 key of a signed note")
    return key


def read_note(note: str) -> Note:
    """Return a signed note; `ValueError` where it is none."""
    text, _, lines = note.rpartition("\n\n")
    signatures = []
    for line in lines.splitlines():
        dash, name, encoded = line.split(" ")
        if dash != "\N{EM DASH}":
            raise ValueError("not a signature")
        signatures.append((name, base64.b64decode(encoded, validate=True)))
    if not text or not signatures:
        raise ValueError("not a signed note")
    return Note(text + "\n", tuple(signatures))


def read_checkpoint(note: str) -> Checkpoint:
    """Return a checkpoint; `ValueError` where it is none."""
    signed = read_note(note)
    origin, size, root = signed.lines[:3]
    content = base64.b64decode(root, validate=True)
    if not size.isascii() or not size.isdigit() or len(content) != HASH:
        raise ValueError("not a checkpoint")
    return Checkpoint(origin, int(size), content, signed)


def is_signed_by(note: Note, key: Key) -> bool:
    """Return whether the key has signed the note."""
    for name, signature in note.signatures:
        if name == key.name and signature[:4] == key.key_id:
            try:
                Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature[4:], note.text.encode())
            except InvalidSignature:
                return False
            return True
    return False


class Keys:
    """The keys that follow from the one that is trusted: each endorses the next."""

    def __init__(self, trusted: Key) -> None:
        self._keys = [trusted]
        self._from_sizes = [0]

    def follow(self, chain: list[dict[str, Any]]) -> Iterator[Finding]:
        """Take up the keys behind the trusted one; yield why one cannot be."""
        keys = [read_key(link["verifier"]) for link in chain]
        if self._keys[0] not in keys:
            yield Finding("KEY_UNKNOWN", "The key that you trust is not one of this log's keys.")
            return
        for number in range(keys.index(self._keys[0]) + 1, len(keys)):
            note = read_note(chain[number]["endorsement"] or "")
            expected = [ROTATION, chain[number - 1]["verifier"], chain[number]["verifier"]]
            if note.lines[:3] != expected or not is_signed_by(note, keys[number - 1]):
                yield Finding("KEY_CHAIN_BROKEN", f"Key {keys[number].key_id.hex()} is not endorsed by the one before.")
                return
            self._keys.append(keys[number])
            self._from_sizes.append(int(note.lines[3]))

    def have_signed(self, note: Note) -> bool:
        """Return whether one of the keys has signed the note."""
        return any(is_signed_by(note, key) for key in self._keys)

    def was_in_force(self, note: Note, position: int) -> bool:
        """Return whether the note is signed by the key that signed when the log grew beyond `position`."""
        number = max(number for number, size in enumerate(self._from_sizes) if size <= position or number == 0)
        return is_signed_by(note, self._keys[number])


class Bundle:
    """The members of a bundle, each of them once and nothing else: what is verified is what any other reader finds."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        members = tar.getmembers()
        names = [member.name for member in members]
        if len(set(names)) != len(names):
            raise BundleError("The bundle has two members of one name.")
        if unknown := set(names) - set(MEMBERS):
            raise BundleError(f"The bundle has a member that belongs to none: {min(unknown)}.")
        if not all(member.type in {tarfile.REGTYPE, tarfile.AREGTYPE} for member in members):
            raise BundleError("The bundle has a member that is no plain file.")
        _require_nothing_behind(tar)

    def open(self, name: str) -> IO[bytes]:
        """Return a member, to be read."""
        try:
            member = self._tar.extractfile(name)
        except KeyError:
            member = None
        if member is None:
            raise BundleError(f"The bundle has no {name}.")
        return member

    def text(self, name: str) -> str:
        """Return a member as text."""
        return self.open(name).read().decode()

    def json(self, name: str) -> Any:
        """Return a member that is JSON."""
        return _json(self.open(name).read())


def _require_nothing_behind(tar: tarfile.TarFile) -> None:
    """Return if only zeros follow where Python's reader stops; others go on behind a block that is no header."""
    source: Any = tar.fileobj
    source.seek(tar.offset)
    while block := source.read(BLOCK):
        if block.strip(b"\0"):
            raise BundleError("Something stands behind the bundle's end.")


def _json(content: bytes) -> Any:
    return json.loads(content, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; `ValueError` where it says something twice, since readers differ in which one they take."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a JSON object names a field twice")
    return fields


def verify(path: Path, trusted: Key, known: list[Checkpoint], tenant: str | None = None) -> tuple[int, list[Finding]]:
    """Return how many leaves a bundle holds, and what is wrong with it, also that it is not of `tenant`."""
    try:
        with tarfile.open(path, "r:") as tar:
            bundle = Bundle(tar)
            size, findings = _verify(bundle, Keys(trusted), known)
            return size, [*_tenant_findings(bundle, tenant), *findings]
    except (BundleError, OSError, tarfile.TarError, *_UNREADABLE) as error:
        return 0, [Finding("BUNDLE_UNREADABLE", f"The bundle cannot be read: {error}")]


_UNREADABLE = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError)
"""What comes of JSON that is not of the form that this program knows."""


def tenant_of(path: Path) -> str:
    """Return whose trail a bundle says that it is; `verify` says whether that is so."""
    with tarfile.open(path, "r:") as tar:
        return str(Bundle(tar).json("bundle.json")["tenant_id"])


def _tenant_findings(bundle: Bundle, tenant: str | None) -> Iterator[Finding]:
    found = bundle.json("bundle.json")["tenant_id"]
    if tenant is not None and found != tenant:
        yield Finding("ANOTHER_TENANT", f"The bundle is of the tenant {found}.")


def _verify(bundle: Bundle, keys: Keys, known: list[Checkpoint]) -> tuple[int, list[Finding]]:
    described = bundle.json("bundle.json")
    if described["format"] != FORMAT:
        raise BundleError(f"It is of format {described['format']}, and this program knows {FORMAT}.")
    findings = list(keys.follow(bundle.json("keys.json")))
    checkpoint = read_checkpoint(bundle.text("checkpoint"))
    over_all = bundle.json("global.json")
    findings += _signature_findings(checkpoint, described["origin"], keys, over_all)
    hashes = bundle.open("hashes.bin").read()
    tree = Tree(hashes)
    earlier = [read_checkpoint(note) for note in bundle.json("checkpoints.json")]
    findings += _tree_findings(tree, checkpoint, earlier, keys)
    if keys.have_signed(checkpoint.note):
        findings += _earlier_findings(tree, checkpoint, earlier, keys)
    findings += _leaf_findings(bundle, hashes)
    findings += _global_findings(described, checkpoint, over_all, keys)
    for each in known:
        findings += _known_findings(each, tree, checkpoint, over_all, keys)
    return checkpoint.size, findings


def _signature_findings(checkpoint: Checkpoint, origin: str, keys: Keys, over_all: dict[str, Any]) -> Iterator[Finding]:
    if checkpoint.origin != origin:
        yield Finding("CHECKPOINT_FORGED", f"The checkpoint is of {checkpoint.origin}, not of {origin}.")
    if not keys.have_signed(checkpoint.note):
        yield Finding("CHECKPOINT_FORGED", "The checkpoint is not signed by a key that you can trust.")
    elif not keys.was_in_force(checkpoint.note, int(over_all["inclusion"]["position"])):
        yield Finding("CHECKPOINT_FORGED", "The checkpoint is signed by a key that had been replaced by then.")


def _earlier_findings(tree: Tree, checkpoint: Checkpoint, earlier: list[Checkpoint], keys: Keys) -> Iterator[Finding]:
    """Yield the first of the earlier checkpoints that is not of the tree of the newest one."""
    if tree.root(min(tree.size, checkpoint.size)) != checkpoint.root:
        return  # they were compared already, to narrow down the damage
    for each in earlier:
        if each.origin != checkpoint.origin or not keys.have_signed(each.note):
            yield Finding(
                "CHECKPOINT_FORGED", f"An earlier checkpoint, of size {each.size}, is not signed by this log."
            )
            return
        if found := list(_compare(each, checkpoint, tree.root(each.size) if each.size <= tree.size else b"")):
            yield from found
            return


def _tree_findings(tree: Tree, checkpoint: Checkpoint, earlier: list[Checkpoint], keys: Keys) -> Iterator[Finding]:
    """Compare the hashes with what was signed; where they differ, earlier checkpoints narrow down from where on."""
    if tree.size == checkpoint.size and tree.root(tree.size) == checkpoint.root:
        return
    sound, broken = 0, checkpoint.size
    for each in sorted(earlier, key=lambda each: each.size):
        if each.origin != checkpoint.origin or not keys.have_signed(each.note):
            continue
        if each.size <= tree.size and tree.root(each.size) == each.root:
            sound = each.size
        else:
            broken = each.size
            break
    sentence = f"The hashes are not those that were signed: between leaf {sound} and leaf {broken - 1}."
    if tree.size != checkpoint.size:
        sentence = f"There are {tree.size} hashes, and {checkpoint.size} leaves were signed. {sentence}"
    yield Finding("ROOT_MISMATCH", sentence, sound)


def _leaf_findings(bundle: Bundle, hashes: bytes) -> Iterator[Finding]:
    """Compare each leaf with its hash; yield the first that differs, then what is about persons."""
    personal: dict[str, str] = {}
    for line in bundle.open("personal.jsonl"):
        row = _json(line)
        if row["audit_ref"] in personal:
            sentence = f"What is about persons under {row['audit_ref']} is there twice."
            yield Finding("PERSONAL_DATA_CHANGED", sentence)
        digest = hashlib.sha256(bytes.fromhex(row["salt"]) + row["content"].encode())
        personal[row["audit_ref"]] = digest.hexdigest()
    committed: dict[str, tuple[int, str]] = {}
    erased: set[str] = set()
    leaves = bundle.open("leaves.jsonl")
    sha256, at, number = hashlib.sha256, 0, 0
    for line in leaves:
        content = line[:-1]
        if sha256(b"\x00" + content).digest() != hashes[at : at + HASH] or line[-1:] != b"\n":
            yield _first_bad(leaves, hashes, number, content)
            return
        # Parsed only where it matters; the bytes are a hint, the parsed leaf decides.
        if b'"personal_sha256":' in content or b'"action":"audit.erased"' in content:
            leaf = json.loads(content)
            if "personal_sha256" in leaf:
                committed[leaf["audit_ref"]] = (number, leaf["personal_sha256"])
            if leaf["action"] == "audit.erased":
                erased.update(leaf["details"]["audit_refs"])
        number, at = number + 1, at + HASH
    if at != len(hashes):
        yield Finding("LEAF_MISSING", f"Leaf {number} and all behind it are missing.", number)
        return
    yield from _personal_findings(personal, committed, erased)


def _first_bad(leaves: IO[bytes], hashes: bytes, number: int, content: bytes) -> Finding:
    """Say what is wrong with the first leaf that is not what its hash says."""
    found, following = _leaf_hash(content), _leaf_hash(leaves.readline()[:-1])
    expected, at = hashes[number * HASH : (number + 1) * HASH], number * HASH
    name = f"Leaf {number} ({_reference(content)})"
    if not expected:
        return Finding("LEAF_INSERTED", f"{name} is behind the last leaf that was signed.", number)
    if following == expected:
        return Finding("LEAF_INSERTED", f"{name} was inserted.", number)
    if found == hashes[at + HASH : at + 2 * HASH] and following == hashes[at + 2 * HASH : at + 3 * HASH]:
        return Finding("LEAF_MISSING", f"Leaf {number} is missing, before {_reference(content)}.", number)
    place = next((at for at in range(0, len(hashes), HASH) if hashes[at : at + HASH] == found), None)
    if place is not None:
        return Finding("LEAVES_REORDERED", f"{name} stood at {place // HASH}.", number)
    return Finding("LEAF_CHANGED", f"{name} is not what was recorded.", number)


def _personal_findings(
    personal: dict[str, str], committed: dict[str, tuple[int, str]], erased: set[str]
) -> Iterator[Finding]:
    for audit_ref, (number, commitment) in committed.items():
        if audit_ref not in personal and audit_ref not in erased:
            sentence = f"What is about persons in leaf {number} ({audit_ref}) is gone, and no leaf says who erased it."
            yield Finding("PERSONAL_DATA_MISSING", sentence, number)
        elif audit_ref in personal and audit_ref in erased:
            sentence = (
                f"What is about persons in leaf {number} ({audit_ref}) is there, and a leaf says that it was erased."
            )
            yield Finding("PERSONAL_DATA_NOT_ERASED", sentence, number)
        elif personal.get(audit_ref, commitment) != commitment:
            sentence = f"What is about persons in leaf {number} ({audit_ref}) is not what was recorded."
            yield Finding("PERSONAL_DATA_CHANGED", sentence, number)
    for audit_ref in personal.keys() - committed.keys():
        yield Finding("PERSONAL_DATA_CHANGED", f"No leaf commits to what is about persons under {audit_ref}.")


def _global_findings(
    described: dict[str, Any], checkpoint: Checkpoint, over_all: dict[str, Any], keys: Keys
) -> Iterator[Finding]:
    """Compare the tenant's root with the tree over all tenants."""
    inclusion = over_all["inclusion"]
    whole = read_checkpoint(inclusion["checkpoint"]["note"])
    if whole.origin != described["global_origin"] or not keys.was_in_force(whole.note, whole.size - 1):
        yield Finding("CHECKPOINT_FORGED", "The checkpoint of the whole log is not signed by the key in force.")
    head = {"root": checkpoint.root.hex(), "size": checkpoint.size, "tenant_id": described["tenant_id"]}
    leaf = _leaf_hash(json.dumps(head, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode())
    path = [bytes.fromhex(each) for each in inclusion["path"]]
    if _root_of_inclusion(leaf, int(inclusion["position"]), whole.size, path) != whole.root:
        yield Finding("NOT_IN_LOG", "The tenant's root is not in the tree over all tenants.")
        return
    said = (described["size"], inclusion["leaf_hash"], inclusion["checkpoint"]["size"])
    if said != (checkpoint.size, leaf.hex(), whole.size):
        yield Finding("DESCRIPTION_WRONG", f"The bundle says {said[0]} leaves; {checkpoint.size} were signed.")


def _known_findings(
    known: Checkpoint, tree: Tree, checkpoint: Checkpoint, over_all: dict[str, Any], keys: Keys
) -> Iterator[Finding]:
    """Compare the bundle with a checkpoint that the auditor has from before."""
    whole = read_checkpoint(over_all["inclusion"]["checkpoint"]["note"])
    if not keys.have_signed(known.note):
        yield Finding("KNOWN_NOT_SIGNED", f"The known checkpoint of size {known.size} is not signed by this log.")
    elif known.origin == checkpoint.origin:
        yield from _compare(known, checkpoint, tree.root(known.size) if known.size <= tree.size else b"")
    elif known.origin == whole.origin:
        yield from _compare_whole(known, whole, over_all.get("consistency"))
    else:
        yield Finding("KNOWN_OF_ANOTHER", f"The known checkpoint is of {known.origin}.")


def _compare(known: Checkpoint, newest: Checkpoint, root: bytes) -> Iterator[Finding]:
    if known.size > newest.size:
        sentence = f"{known.size} leaves were signed once, and the bundle ends with {newest.size}."
        yield Finding("TAIL_TRUNCATED", sentence, newest.size)
    elif known.root != root:
        sentence = f"Two histories were signed: the first {known.size} leaves are not those of the known checkpoint."
        yield Finding("TWO_HISTORIES", sentence)


def _compare_whole(known: Checkpoint, whole: Checkpoint, consistency: dict[str, Any] | None) -> Iterator[Finding]:
    if known.size >= whole.size:
        yield from _compare(known, whole, whole.root)
        return
    if consistency is None or int(consistency["old_size"]) != known.size:
        yield Finding("KNOWN_NOT_COMPARABLE", "Have the bundle exported with --known and this checkpoint.")
        return
    path = [bytes.fromhex(each) for each in consistency["path"]]
    if not _is_consistent(known, whole, path):
        yield Finding("TWO_HISTORIES", "Two histories of the whole log were signed: it does not contain the known one.")


def _root_of_inclusion(leaf: bytes, position: int, size: int, path: list[bytes]) -> bytes | None:
    """Return the root to which a proof leads (RFC 9162, 2.1.3.2)."""
    if not 0 <= position < size:
        return None
    number, last, root = position, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if number & 1 or number == last:
            root = _node(sibling, root)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            root = _node(root, sibling)
        number, last = number >> 1, last >> 1
    return root if last == 0 else None


def _is_consistent(old: Checkpoint, new: Checkpoint, path: list[bytes]) -> bool:
    """Return whether a proof shows that a tree begins with an older one (RFC 9162, 2.1.4.2)."""
    if old.size == 0:
        return not path
    if old.size & (old.size - 1) == 0:
        path = [old.root, *path]
    if not path:
        return False
    number, last = old.size - 1, new.size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    old_root = new_root = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            old_root, new_root = _node(sibling, old_root), _node(sibling, new_root)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            new_root = _node(new_root, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and (old_root, new_root) == (old.root, new.root)


def _leaf_hash(content: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + content).digest()


def _reference(content: bytes) -> str:
    try:
        return f"audit_ref {json.loads(content)['audit_ref']}"
    except (ValueError, KeyError, TypeError):
        return "unreadable"


def _one_line(sentence: str) -> str:
    """Return a sentence as any terminal shows it: what the bundle says must not look like what this program says."""
    encoding = sys.stdout.encoding or "ascii"
    printable = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in sentence)
    return printable.encode(encoding, "backslashreplace").decode(encoding)


def trusted_key(value: str) -> Key:
    """Return the key that a line, or the file of that name, holds; `ValueError` or `OSError` where it holds none."""
    path = Path(value)
    return read_key(path.read_text(encoding="utf-8") if path.is_file() else value)


def _key_argument(value: str) -> Key:
    try:
        return trusted_key(value)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError("neither a public key, <name>+<id>+<base64>, nor a file with one") from error


def main() -> int:
    """Verify the bundle that the arguments name; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", type=_key_argument, required=True, help="public key, or a file that holds it")
    parser.add_argument("--tenant", help="whose trail you asked for")
    parser.add_argument("--known", type=Path, action="append", default=[], help="a checkpoint from before")
    arguments = parser.parse_args()
    try:
        known = [read_checkpoint(path.read_text(encoding="utf-8")) for path in arguments.known]
    except (OSError, ValueError) as error:
        parser.error(f"--known: {error}")
    size, findings = verify(arguments.bundle, arguments.key, known, arguments.tenant)
    for finding in findings[:SHOWN]:
        sys.stdout.write(f"{finding.code}: {_one_line(finding.sentence)}\n")
    if len(findings) > SHOWN:
        sys.stdout.write(f"... and {len(findings) - SHOWN} more.\n")
    if not findings:
        sys.stdout.write(f"OK: {size} leaves of {_one_line(tenant_of(arguments.bundle))}, each as it was signed.\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
