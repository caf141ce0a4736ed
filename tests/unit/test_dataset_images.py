"""Folders of images: what is known of each, that it comes back as it was, and what is refused."""

from __future__ import annotations

import hashlib
import random
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from table_files import png, zip_of

from domain_sdk.errors import FileNotTabularError, FileTooLargeError
from storage import FolderObjectStore
from storage.datasets.confinement import ingest_confined
from storage.datasets.errors import DatasetManifestInvalidError
from storage.datasets.images import StoredImage, fetch_images, read_images
from storage.datasets.ingestion import DatasetDraft, ingest
from storage.datasets.limits import ReadingLimits
from storage.datasets.packs import PackWriter
from storage.datasets.reading.image_headers import ImageHeader, image_header
from storage.datasets.versions import DatasetManifest, StoredPack, publish
from storage.errors import ObjectNotFoundError

MEBIBYTE = 1024 * 1024
PETS = {f"pets/{kind}/{number}.png": png(4, 5 + number, number) for kind in ("cat", "dog") for number in range(3)}


def jpeg(width: int, height: int, components: int) -> bytes:
    frame = struct.pack(">HBHHB", 8 + 3 * components, 8, height, width, components) + b"\x01\x11\0" * components
    return b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xdb\x00\x05abc\xff\xc2" + frame + b"\xff\xda"


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + bytes(4) + b"WEBP" + kind + bytes(4) + body


@pytest.fixture
def store(tmp_path: Path) -> FolderObjectStore:
    return FolderObjectStore(tmp_path / "objects")


def tar_of(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            source = path.with_name("member")
            source.write_bytes(content)
            archive.add(source, name)


def ingested(path: Path, limits: ReadingLimits | None = None) -> DatasetDraft:
    folder = path.with_name(f"{path.name}-draft")
    folder.mkdir()
    return ingest(path, folder, limits or ReadingLimits())


def stored(store: FolderObjectStore, path: Path) -> tuple[DatasetManifest, str]:
    folder = path.with_name(f"{path.name}-draft")
    folder.mkdir()
    manifest, written = publish(store, ingest_confined(path, folder), folder)
    return manifest, written.uri


def image(path: str, content: bytes, width: int, height: int) -> StoredImage:
    return StoredImage(
        path=path,
        label=path.split("/")[-2],
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        width=width,
        height=height,
        mode="L",
        content=content,
    )


def test_images_come_back_as_they_were_with_what_is_known_of_them(store: FolderObjectStore, tmp_path: Path) -> None:
    zip_of(tmp_path / "pets.zip", PETS)
    manifest, uri = stored(store, tmp_path / "pets.zip")

    expected = [image(name, content, 4, 5 + int(name[-5])) for name, content in PETS.items()]
    assert list(read_images(store, manifest)) == expected
    folder = fetch_images(store, uri, tmp_path / "back")
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == PETS


def test_images_packed_in_another_order_or_way_are_the_same_dataset(tmp_path: Path) -> None:
    zip_of(tmp_path / "pets.zip", PETS)
    tar_of(tmp_path / "pets.tar", dict(reversed(PETS.items())))

    first, second = ingested(tmp_path / "pets.zip"), ingested(tmp_path / "pets.tar")

    assert (first.content.digest, first.packs) == (second.content.digest, second.packs)
    contents = [(tmp_path / f"pets.{kind}-draft" / "pack-000000").read_bytes() for kind in ("zip", "tar")]
    assert contents == [b"".join(PETS.values())] * 2


@pytest.mark.parametrize(
    "changed",
    [
        {**PETS, "pets/cat/0.png": PETS["pets/cat/0.png"] + b"\0"},
        {**{name: content for name, content in PETS.items() if name != "pets/cat/0.png"}, "pets/dog/9.png": png(4, 5)},
        {name.replace("cat", "cow"): content for name, content in PETS.items()},
    ],
)
def test_one_changed_moved_or_renamed_image_is_another_dataset(tmp_path: Path, changed: dict[str, bytes]) -> None:
    zip_of(tmp_path / "pets.zip", PETS)
    zip_of(tmp_path / "changed.zip", changed)

    assert ingested(tmp_path / "pets.zip").content.digest != ingested(tmp_path / "changed.zip").content.digest


def packs_of(folder: Path, images: list[bytes]) -> list[tuple[bytes, int]]:
    folder.mkdir()
    writer = PackWriter(folder)
    for content in images:
        writer.add(content, hashlib.sha256(content).digest())
    return [((folder / pack.file).read_bytes(), pack.image_count) for pack in writer.finished()]


def test_an_image_put_in_changes_few_packs(tmp_path: Path) -> None:
    chance = random.Random(4)
    images = [chance.randbytes(MEBIBYTE // 4) for _ in range(400)]
    packs = packs_of(tmp_path / "first", images)
    longer = packs_of(tmp_path / "second", [images[0], chance.randbytes(MEBIBYTE // 4), *images[1:]])

    assert b"".join(content for content, _count in packs) == b"".join(images)
    assert sum(count for _content, count in packs) == 400
    assert max(len(content) for content, _count in packs) <= 33 * MEBIBYTE
    assert len(set(packs) - set(longer)) < len(packs) / 2


@pytest.mark.parametrize(
    ("content", "header"),
    [
        (png(7, 9), ImageHeader(7, 9, "L")),
        (jpeg(7, 9, 1), ImageHeader(7, 9, "L")),
        (jpeg(7, 9, 3), ImageHeader(7, 9, "RGB")),
        (jpeg(7, 9, 4), ImageHeader(7, 9, "CMYK")),
        (b"GIF89a" + struct.pack("<HH", 7, 9), ImageHeader(7, 9, "P")),
        (b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 7, -9, 1, 24), ImageHeader(7, 9, "RGB")),
        (b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 7, 9, 1, 8), ImageHeader(7, 9, "P")),
        (webp(b"VP8 ", b"abc\x9d\x01\x2a" + struct.pack("<HH", 7 | 1 << 14, 9)), ImageHeader(7, 9, "RGB")),
        (webp(b"VP8L", b"\x2f" + struct.pack("<I", 6 | 8 << 14 | 1 << 28)), ImageHeader(7, 9, "RGBA")),
        (webp(b"VP8X", b"\x10\0\0\0" + b"\x06\0\0" + b"\x08\0\0"), ImageHeader(7, 9, "RGBA")),
        (webp(b"VP8X", b"\0\0\0\0" + b"\x06\0\x01" + b"\x08\0\0"), ImageHeader(65_543, 9, "RGB")),
    ],
)
def test_size_and_mode_are_read_from_the_header(content: bytes, header: ImageHeader) -> None:
    assert image_header(content) == header


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no image",
        b"\x89PNG\r\n\x1a\n",
        png(0, 9),
        png(7, 9)[:20] + b"\x01" + png(7, 9)[21:],
        jpeg(7, 0, 3),
        jpeg(7, 9, 2),
        b"\xff\xd8\xff\xda\x00\x04ab",
        b"\xff\xd8\xff\xe0\xff\xff",
        b"BM" + bytes(12) + struct.pack("<IiiHH", 40, -7, 9, 1, 24),
        webp(b"VP8 ", b"abcdef" + struct.pack("<HH", 7, 9)),
        b"II*\0",
    ],
)
def test_what_is_no_image_or_a_damaged_one_has_no_header(content: bytes) -> None:
    assert image_header(content) is None


def linked_in_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("cat/odd.png")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")


def device_in_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("cat/odd.png")
        info.type = tarfile.CHRTYPE
        archive.addfile(info)


def hard_link_in_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("cat/odd.png")
        info.type, info.linkname = tarfile.LNKTYPE, "/etc/passwd"
        archive.addfile(info)


def half_a_character(path: Path) -> None:
    tar_of(path, {"cat/odd\udcff.png": png(1, 1)})


def broken_member(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("cat/odd.png", png(300, 300))
    content = bytearray(path.read_bytes())
    content[60:80] = b"\xff" * 20
    path.write_bytes(content)


def containing(members: dict[str, bytes]) -> Callable[[Path], None]:
    return lambda path: zip_of(path, {**PETS, **members})


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (containing({"pets/cat/odd.txt": b"a list of cats"}), "odd"),
        (containing({"pets/cat/odd.png": png(1, 1)[:16]}), "odd"),
        (containing({"pets/odd/.DS_Store": b"\0\0\0\1Bud1"}), "odd"),
        (containing({"pets/cat/0.png/odd.png": png(1, 1)}), "0.png"),
        (containing({"pets/cat/odd" + "x" * 260 + ".png": png(1, 1)}), "odd"),
        (containing({"pets/cat/odd\n.png": png(1, 1)}), "odd"),
        (containing({"../odd/0.png": png(1, 1)}), "odd"),
        (linked_in_zip, "odd"),
        (hard_link_in_tar, "odd"),
        (device_in_tar, "odd"),
        (half_a_character, "odd"),
        (broken_member, "damaged"),
    ],
)
def test_what_is_no_image_in_its_folder_is_refused_by_its_name(
    tmp_path: Path, make: Callable[[Path], None], named: str
) -> None:
    make(tmp_path / "images")

    with pytest.raises(FileNotTabularError) as refusal:
        ingested(tmp_path / "images")

    assert named in refusal.value.reason


@pytest.mark.parametrize(
    ("limits", "actual"),
    [
        (ReadingLimits(maximum_image_pixels=27), 28),
        (ReadingLimits(maximum_image_bytes=60), 61),
        (ReadingLimits(maximum_members=5), 6),
    ],
)
def test_an_image_larger_than_a_limit_is_refused_before_it_is_decoded(
    tmp_path: Path, limits: ReadingLimits, actual: int
) -> None:
    tar_of(tmp_path / "pets.tar", PETS)

    with pytest.raises(FileTooLargeError) as refusal:
        ingested(tmp_path / "pets.tar", limits)

    assert refusal.value.actual == actual


def test_a_harmed_pack_is_noticed_and_leaves_no_folder(store: FolderObjectStore, tmp_path: Path) -> None:
    zip_of(tmp_path / "pets.zip", PETS)
    manifest, _uri = stored(store, tmp_path / "pets.zip")
    other = store.put_bytes(b"\0" * manifest.packs[0].size_bytes)
    pack = StoredPack(uri=other.uri, size_bytes=other.size_bytes, image_count=6)
    swapped = manifest.model_copy(update={"packs": (pack,)})
    uri = store.put_bytes(swapped.model_dump_json().encode()).uri

    with pytest.raises(DatasetManifestInvalidError) as refusal:
        fetch_images(store, uri, tmp_path / "back")

    assert refusal.value.uri == other.uri
    assert not (tmp_path / "back").exists()
    lost = pack.model_copy(update={"uri": "object://sha256/" + "0" * 64})
    with pytest.raises(ObjectNotFoundError):
        list(read_images(store, manifest.model_copy(update={"packs": (lost,)})))
