"""Archives from outside: what is plain comes out whole, what is hostile is refused and leaves nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.errors import ArchiveRefusedError
from storage.objects.archives import ArchiveLimits, extract_archive

SMALL = ArchiveLimits(members=20, member_bytes=1_000_000, total_bytes=3_000_000, archive_bytes=5_000_000)
FILES = {"cats/1.png": b"meow", "cats/2.png": b"purr", "dogs/über.png": b"woof", "empty": b""}
Entries = list[tuple[str, bytes]]


def zipped(entries: Entries, change: Callable[[zipfile.ZipInfo], None] = lambda _: None) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in entries:
            entry = zipfile.ZipInfo("placeholder")
            entry.filename = name
            entry.compress_type = zipfile.ZIP_DEFLATED
            change(entry)
            archive.writestr(entry, content)
    return target.getvalue()


def tarred(
    entries: Entries, change: Callable[[tarfile.TarInfo], None] = lambda _: None, compression: str = ""
) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=f"w:{compression}", errors="surrogatepass") as archive:  # type: ignore[call-overload]
        for name, content in entries:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            change(member)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def extracted(content: bytes, folder: Path, limits: ArchiveLimits = SMALL) -> dict[str, bytes]:
    path = folder / "upload"
    path.write_bytes(content)
    members = extract_archive(path, folder / "out", limits)
    assert {member.path for member in members} == set((folder / "out").iterdir())
    assert all(member.size_bytes == member.path.stat().st_size for member in members)
    return {member.name: member.path.read_bytes() for member in members}


def refusal(content: bytes, folder: Path, limits: ArchiveLimits = SMALL) -> ArchiveRefusedError:
    with pytest.raises(ArchiveRefusedError) as raised:
        extracted(content, folder, limits)
    assert sorted(item.name for item in folder.iterdir()) == ["upload"]
    assert raised.value.code == "ARCHIVE_REFUSED"
    return raised.value


@pytest.mark.parametrize("compression", ["zip", "", "gz", "bz2", "xz"])
def test_the_files_of_an_archive_come_out_under_their_names(compression: str, tmp_path: Path) -> None:
    entries = list(FILES.items())
    content = zipped(entries) if compression == "zip" else tarred(entries, compression=compression)

    assert extracted(content, tmp_path) == FILES
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


def test_folders_are_no_files(tmp_path: Path) -> None:
    def change(member: tarfile.TarInfo) -> None:
        member.type = tarfile.DIRTYPE if member.name in {".", "cats"} else tarfile.REGTYPE

    in_tar, in_zip = tmp_path / "tar", tmp_path / "zip"
    in_tar.mkdir()
    in_zip.mkdir()

    assert extracted(
        tarred([(".", b""), ("cats", b""), ("cats/1.png", b"meow"), ("./dogs/2.png", b"woof")], change), in_tar
    ) == {
        "cats/1.png": b"meow",
        "dogs/2.png": b"woof",
    }
    assert extracted(zipped([("cats/", b""), ("cats/1.png", b"meow")]), in_zip) == {"cats/1.png": b"meow"}


HOSTILE_NAMES = {
    "/etc/passwd": "its name is absolute",
    "//server/share": "its name is absolute",
    "C:/windows": "its name is absolute",
    "c:evil": "its name is absolute",
    "../up": "its name leads elsewhere",
    "a/../../up": "its name leads elsewhere",
    "a/./b": "its name leads elsewhere",
    "a//b": "its name leads elsewhere",
    "a/. ./b": "its name leads elsewhere",
    "..": "its name leads elsewhere",
    "\u2025/up": "its name leads elsewhere",
    "a\uff0f..\uff0fb": "its name leads elsewhere",
    "..\\up": "its name holds a backslash, # or ?",
    "a#b": "its name holds a backslash, # or ?",
    "a?b": "its name holds a backslash, # or ?",
    "..%2fup": "its name holds encoded separators",
    "%2e%2E/up": "its name holds encoded separators",
    "a%5Cb": "its name holds encoded separators",
    "a%00b": "its name holds encoded separators",
    "a\nb": "its name holds control characters",
    "a\x7fb": "its name holds control characters",
    "a/" * 16 + "b": "it lies too deep",
    "x" * 256: "its name is too long",
    "x/" * 3
    + "y" * 250
    + "/"
    + "z" * 250
    + "/"
    + "z" * 250
    + "/"
    + "z" * 250
    + "/"
    + "z" * 250: "its name is too long",
}


@pytest.mark.parametrize(("name", "reason"), HOSTILE_NAMES.items())
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_name_that_leads_elsewhere_is_refused(
    pack: Callable[[Entries], bytes], name: str, reason: str, tmp_path: Path
) -> None:
    assert refusal(pack([("good", b"x"), (name, b"evil")]), tmp_path).reason == reason
    assert not (tmp_path.parent / "up").exists()


def test_a_nul_in_a_name_is_refused(tmp_path: Path) -> None:
    content = zipped([("good.pngX.exe", b"evil")]).replace(b"good.pngX.exe", b"good.png\0.exe")

    assert refusal(content, tmp_path).reason == "its name holds control characters"


def test_a_surrogate_in_a_name_is_refused(tmp_path: Path) -> None:
    content = tarred([("abc", b"evil")]).replace(b"abc\0", b"a\xffc\0", 1)
    header = bytearray(content[:512])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)

    assert refusal(bytes(header) + content[512:], tmp_path).reason == "its name is no Unicode text"


@pytest.mark.parametrize("second", ["same", "SAME"])
@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(pack: Callable[[Entries], bytes], second: str, tmp_path: Path) -> None:
    assert refusal(pack([("same", b"1"), (second, b"2")]), tmp_path).member == second


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE],
)
def test_a_link_or_device_in_a_tar_is_refused(kind: bytes, tmp_path: Path) -> None:
    def change(member: tarfile.TarInfo) -> None:
        member.type, member.linkname, member.size = kind, "/etc/passwd", 0

    assert refusal(tarred([("link", b"")], change), tmp_path).reason == "it is a link or a device"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_a_link_or_device_in_a_zip_is_refused(kind: int, tmp_path: Path) -> None:
    def change(entry: zipfile.ZipInfo) -> None:
        entry.external_attr = (kind | 0o777) << 16

    assert refusal(zipped([("link", b"/etc/passwd")], change), tmp_path).reason == "it is a link or a device"


def test_what_is_encrypted_or_packed_otherwise_is_refused(tmp_path: Path) -> None:
    def lzma_packed(entry: zipfile.ZipInfo) -> None:
        entry.compress_type = zipfile.ZIP_LZMA

    encrypted = bytearray(zipped([("secret", b"x")]))
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1

    assert refusal(zipped([("odd", b"x")], lzma_packed), tmp_path).reason == "its compression is not supported"
    assert refusal(bytes(encrypted), tmp_path).reason == "it is encrypted"


@pytest.mark.parametrize("pack", [zipped, tarred, lambda entries: tarred(entries, compression="gz")])
def test_an_archive_within_the_limits_only_by_its_own_word_is_refused(
    pack: Callable[[Entries], bytes], tmp_path: Path
) -> None:
    too_many = [(f"file{number}", b"x") for number in range(21)]
    one_too_large = [("large", bytes(1_000_001))]
    too_much = [(f"file{number}", bytes(900_000)) for number in range(4)]

    assert refusal(pack(too_many), tmp_path).reason == "it has more than 20 members"
    assert "larger than" in refusal(pack(one_too_large), tmp_path).reason
    assert refusal(pack(too_much), tmp_path).reason == "its content is larger than 3000000 bytes"


@pytest.mark.parametrize("compression", ["zip", "gz", "bz2", "xz"])
def test_a_bomb_is_refused_early_and_in_little_memory(compression: str, tmp_path: Path) -> None:
    limits = ArchiveLimits(member_bytes=10**9, total_bytes=10**9, ratio=100)
    entries = [("zeros", bytes(200_000_000))]
    content = zipped(entries) if compression == "zip" else tarred(entries, compression=compression)
    del entries

    tracemalloc.start()
    reason = refusal(content, tmp_path, limits).reason
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert reason == "its content is more than 100 times larger than itself"
    assert peak_bytes < 60_000_000


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_what_is_compressed_is_bounded_before_anybody_looks_at_it(
    compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    limits = ArchiveLimits(total_bytes=10**9, ratio=100)

    assert refusal(compress(bytes(50_000_000)), tmp_path, limits).reason.startswith(
        "its content is more than 100 times"
    )


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    content = zipped([("a", b"kernel" * 10), ("b", b"kernel" * 10)])
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 4)
    overlapping = bytearray(content)
    overlapping[second + 42 : second + 46] = overlapping[first + 42 : first + 46]

    assert refusal(bytes(overlapping), tmp_path).reason == "it overlaps another member"


def test_a_list_of_members_too_large_to_read_is_refused_unread(tmp_path: Path) -> None:
    content = bytearray(zipped([("a", b"x")]))
    content[-10:-6] = struct.pack("<I", 2_000_000_000)

    assert refusal(bytes(content), tmp_path).reason == "it has more than 20 members"


def test_a_tar_with_a_giant_header_is_refused_unread(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 2 * 1024 * 1024
    content = gzip.compress(header.tobuf(tarfile.USTAR_FORMAT) + bytes(2 * 1024 * 1024))

    assert refusal(content, tmp_path).reason == "it has a header of more than 1048576 bytes"


@pytest.mark.parametrize("size", [-1, -512, -(2**40), 2**40])
def test_a_tar_member_of_an_impossible_size_is_refused(size: int, tmp_path: Path) -> None:
    member = tarfile.TarInfo("odd")
    member.size = size
    content = member.tobuf(tarfile.GNU_FORMAT) + b"x" * 1_024

    assert refusal(content, tmp_path)


def test_many_headers_in_a_row_are_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 0

    assert refusal(header.tobuf(tarfile.USTAR_FORMAT) * 5_000, tmp_path).reason == "it is damaged (RecursionError)"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"PK\x03\x04",
        b"PK\x05\x06" + bytes(3),
        b"\x1f\x8b",
        b"no archive",
        gzip.compress(b"no tar", mtime=0),
    ],
)
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    assert refusal(content, tmp_path)


@pytest.mark.parametrize("pack", [zipped, tarred, lambda entries: tarred(entries, compression="gz")])
def test_a_damaged_archive_is_refused_or_read_as_it_was(pack: Callable[[Entries], bytes], tmp_path: Path) -> None:
    content = pack(list(FILES.items()))
    for number, position in enumerate(range(0, len(content), max(1, len(content) // 150))):
        folder = tmp_path / str(number)
        folder.mkdir()
        damaged = content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]
        try:
            found = extracted(damaged, folder)
        except ArchiveRefusedError:
            assert sorted(item.name for item in folder.iterdir()) == ["upload"]
        else:
            assert len(found) <= len(FILES)


def test_a_changed_content_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped([("a", b"stored as it is")], lambda entry: setattr(entry, "compress_type", 0)))
    content[content.index(b"stored")] ^= 1

    assert refusal(bytes(content), tmp_path).reason == "it is damaged (BadZipFile)"


def test_a_folder_that_exists_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")

    with pytest.raises(FileExistsError):
        extracted(zipped([("a", b"x")]), tmp_path)

    assert (tmp_path / "out" / "mine").read_text() == "x"
