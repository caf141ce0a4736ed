"""Only regular files below the operator's folders are datasets, however the URI is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domain_sdk.errors import FileTooLargeError, FileUnreadableError
from handlers.dataset_sources import _copy_unswapped, _SwappedError, local_source, private_copy
from handlers.errors import SourceNotAllowedError
from storage.datasets.limits import DEFAULT_READING_LIMITS, ReadingLimits


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    inbox = tmp_path / "inbox"
    (inbox / "below").mkdir(parents=True)
    for path in (inbox / "data.csv", inbox / "below" / "my data.csv", tmp_path / "secret.csv"):
        path.write_text("a,b\n1,2\n")
    (tmp_path / "inbox-of-another").mkdir()
    (tmp_path / "inbox-of-another" / "data.csv").write_text("a,b\n1,2\n")
    return inbox.resolve()


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file://{inbox}/data.csv", "data.csv"),
        ("file://localhost{inbox}/data.csv", "data.csv"),
        ("FILE://{inbox}/data.csv", "data.csv"),
        ("file://{inbox}/below/my%20data.csv", "below/my data.csv"),
        ("file://{inbox}/below/../data.csv", "data.csv"),
        ("file://{inbox}/absent.csv", "absent.csv"),
    ],
)
def test_a_file_below_the_inbox_is_found(inbox: Path, uri: str, path: str) -> None:
    assert local_source(uri.format(inbox=inbox), (inbox,)) == inbox / path


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("file://{inbox}/../secret.csv", id="parent folder"),
        pytest.param("file://{inbox}/%2e%2e/secret.csv", id="escaped parent folder"),
        pytest.param("file://{inbox}/%2e%2e%2fsecret.csv", id="escaped slash"),
        pytest.param("file://{inbox}/below/../../secret.csv", id="down and up"),
        pytest.param("file://{inbox}-of-another/data.csv", id="folder of a longer name"),
        pytest.param("file:///etc/passwd", id="elsewhere"),
        pytest.param("file://elsewhere{inbox}/data.csv", id="host"),
        pytest.param("file://localhost:80{inbox}/data.csv", id="host with port"),
        pytest.param("file://user@{inbox}/data.csv", id="user"),
        pytest.param("file://{inbox}/data.csv?version=1", id="query"),
        pytest.param("file://{inbox}/data.csv#sheet", id="fragment"),
        pytest.param("file://{inbox}/data.csv%00.txt", id="NUL"),
        pytest.param("file://{inbox}/\ud800.csv", id="half a character"),
        pytest.param("file:data.csv", id="relative"),
        pytest.param("file:below/../data.csv", id="relative with folders"),
        pytest.param("data.csv", id="no scheme"),
        pytest.param("{inbox}/data.csv", id="path"),
        pytest.param("http://127.0.0.1/data.csv", id="http"),
        pytest.param("s3://bucket/data.csv", id="s3"),
        pytest.param("object://sha256/00", id="object"),
        pytest.param("file://[{inbox}/data.csv", id="no URI"),
        pytest.param("", id="nothing"),
    ],
)
def test_anything_else_is_refused(inbox: Path, monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.chdir(inbox)

    with pytest.raises(SourceNotAllowedError) as refusal:
        local_source(uri.format(inbox=inbox), (inbox,))

    assert refusal.value.hint == f"Put the file below {inbox} and name it as file:///absolute/path."


def test_a_link_is_judged_by_where_it_leads(inbox: Path) -> None:
    (inbox / "in.csv").symlink_to(inbox / "data.csv")
    (inbox / "out.csv").symlink_to(inbox.parent / "secret.csv")
    (inbox / "out").symlink_to(inbox.parent)

    assert local_source((inbox / "in.csv").as_uri(), (inbox,)) == inbox / "data.csv"
    for name in ("out.csv", "out/secret.csv"):
        with pytest.raises(SourceNotAllowedError):
            local_source((inbox / name).as_uri(), (inbox,))


def test_links_in_a_circle_are_refused(inbox: Path) -> None:
    (inbox / "first").symlink_to(inbox / "second")
    (inbox / "second").symlink_to(inbox / "first")

    with pytest.raises(SourceNotAllowedError):
        local_source((inbox / "first").as_uri(), (inbox,))


def test_a_pipe_is_refused_before_anybody_waits_for_it(inbox: Path) -> None:
    os.mkfifo(inbox / "pipe.csv")

    with pytest.raises(SourceNotAllowedError):
        local_source((inbox / "pipe.csv").as_uri(), (inbox,))


def test_each_of_several_folders_is_open(inbox: Path) -> None:
    other = inbox.parent / "inbox-of-another"

    assert local_source((other / "data.csv").as_uri(), (inbox, other)) == other / "data.csv"


def test_the_copy_is_private_and_goes_with_the_block(inbox: Path) -> None:
    with private_copy((inbox / "data.csv").as_uri(), (inbox,)) as copy:
        (inbox / "data.csv").write_text("swapped")

        assert (copy.read_text(), copy.is_relative_to(inbox)) == ("a,b\n1,2\n", False)
    assert not copy.exists()


@pytest.mark.parametrize("swapped", ["file", "folder"])
def test_what_takes_a_files_place_after_the_check_is_not_read(inbox: Path, tmp_path: Path, swapped: str) -> None:
    checked = local_source((inbox / "below" / "my data.csv").as_uri(), (inbox,))
    if swapped == "file":
        checked.unlink()
        checked.symlink_to(tmp_path / "secret.csv")
    else:
        (inbox / "below").rename(tmp_path / "away")
        (inbox / "below").symlink_to(tmp_path / "away")

    with pytest.raises((OSError, _SwappedError)):
        _copy_unswapped(checked, tmp_path / "copy")

    assert not (tmp_path / "copy").exists()


def test_a_file_larger_than_the_platform_takes_is_not_copied(inbox: Path) -> None:
    with (inbox / "huge.csv").open("wb") as file:
        file.truncate(DEFAULT_READING_LIMITS.maximum_file_bytes + 1)

    with pytest.raises(FileTooLargeError), private_copy((inbox / "huge.csv").as_uri(), (inbox,)):
        pass


def test_a_file_that_is_not_there_is_unreadable(inbox: Path) -> None:
    with pytest.raises(FileUnreadableError), private_copy((inbox / "absent.csv").as_uri(), (inbox,)):
        pass


@pytest.mark.parametrize(
    "uri",
    [
        "https://me:SECRET@data.example/set.csv",
        "https://SECRET@data.example/set.csv",
        "https://data.example/set.csv?token=SECRET",
        "https://data.example/set.csv#SECRET",
        "https://data.example/set.csv?mail=a@b&token=SECRET",
        "https://me:SECRET?@data.example/set.csv",
        "https://me:SECRET#@data.example/set.csv?x",
        "https://me:a/SECRET@data.example/set.csv",
        "https://me:SECRET\\@data.example/@/set.csv",
        "https:me:SECRET@data.example",
        "me:SECRET@data.example/set.csv",
        "//me:SECRET@data.example/set.csv",
        "s3://key:SECRET@bucket/set.csv",
        "file://me:SECRET@localhost/set.csv",
        " HTTPS://me:SECRET@data.example/set.csv",
    ],
)
def test_a_refusal_does_not_repeat_what_was_given_in_confidence(inbox: Path, uri: str) -> None:
    with pytest.raises(SourceNotAllowedError) as refusal:
        local_source(uri, (inbox,))

    assert "SECRET" not in f"{refusal.value.source_uri} {refusal.value} {refusal.value.hint}"


@pytest.mark.parametrize("uri", ["file:///inbox/me@home.csv", "https://data.example/set.csv", "data.csv", ""])
def test_a_refusal_names_the_source_where_nothing_in_it_is_secret(uri: str) -> None:
    assert SourceNotAllowedError(source_uri=uri).source_uri == uri


def test_a_file_with_more_in_it_than_it_says_is_copied_no_further_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("handlers.dataset_sources.DEFAULT_READING_LIMITS", ReadingLimits(maximum_file_bytes=100))
    process = Path("/proc").resolve() / str(os.getpid()) / "status"  # says that it is empty, as a growing file may

    assert process.stat().st_size == 0
    with pytest.raises(FileTooLargeError), private_copy(process.as_uri(), (process.parent,)):
        pass
