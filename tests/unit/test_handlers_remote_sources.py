"""Only the servers that the operator named are asked, only at open addresses, and only for so much and so long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from handlers.errors import HandlerError, SourceAddressRefusedError, SourceNotAllowedError, SourceUnreachableError
from handlers.remote_sources import RemoteSources, download, is_open, without_secrets

CONTENT = b"a,b\n" + b"1,2\n" * 1_000
Answer = Callable[[BaseHTTPRequestHandler], None]


def give_file(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT)


@contextmanager
def serving(answer: Answer) -> Iterator[tuple[int, list[str]]]:
    """Yield the port of a server on loopback, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.headers['Host']} {self.path}")
            answer(self)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Names:
    """A name service that gives these answers, one after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        return self._answers.pop(0)


def fetch(
    port: int, folder: Path, *, uri: str = "http://data.test:{port}/set.csv", names: Any = None, **limits: Any
) -> Path:
    sources = RemoteSources(
        **{"origins": (f"http://data.test:{port}",), "networks": (ip_network("127.0.0.0/8"),), **limits}
    )
    return download(uri.format(port=port), folder / "copy", sources, names or Names(["127.0.0.1"]), time.monotonic)


def test_a_file_is_fetched_from_a_named_server_under_its_own_name(tmp_path: Path) -> None:
    with serving(give_file) as (port, asked):
        copy = fetch(port, tmp_path, uri="http://data.test:{port}/set.csv?signature=abc")

    assert copy.read_bytes() == CONTENT
    assert asked == [f"data.test:{port} /set.csv?signature=abc"]


def test_a_name_is_looked_up_once_so_that_a_second_answer_changes_nothing(tmp_path: Path) -> None:
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    with serving(give_file) as (port, _asked):
        fetch(port, tmp_path, names=names)

    assert names.asked == ["data.test"]


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("http://data.test/set.csv", id="another port"),
        pytest.param("https://data.test:{port}/set.csv", id="another scheme"),
        pytest.param("http://other.test:{port}/set.csv", id="another host"),
        pytest.param("http://data.test.evil.test:{port}/set.csv", id="a longer name"),
        pytest.param("http://data.test:{port}@evil.test/set.csv", id="the name as a user"),
        pytest.param("http://me:secret@data.test:{port}/set.csv", id="a user"),
        pytest.param("http://127.0.0.1:{port}/set.csv", id="the address"),
        pytest.param("http://data.test:{port}/set.csv#x", id="a fragment"),
        pytest.param("http://data.test:{port}\\@evil.test/", id="a backslash"),
        pytest.param("http://data.test:{port}/a\r\nHost: evil.test", id="a line break"),
        pytest.param("http://data.test:{port}/a b", id="a space"),
        pytest.param("http://data.test:{port}/\ud800", id="half a character"),
        pytest.param("http://data.test:99999/", id="no port"),
        pytest.param("http://[data.test/", id="no address"),
        pytest.param("ftp://data.test:{port}/set.csv", id="ftp"),
        pytest.param("http:///set.csv", id="no host"),
    ],
)
def test_any_other_server_is_refused_and_never_asked(tmp_path: Path, uri: str) -> None:
    with serving(give_file) as (port, asked), pytest.raises(SourceNotAllowedError):
        fetch(port, tmp_path, uri=uri, names=Names())

    assert (asked, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"],
)
def test_a_name_that_leads_into_a_closed_network_is_refused_even_beside_an_open_one(
    tmp_path: Path, address: str
) -> None:
    with serving(give_file) as (port, asked), pytest.raises(SourceAddressRefusedError) as refusal:
        fetch(port, tmp_path, names=Names(["93.184.216.34", address]), networks=())

    assert (refusal.value.address, asked) == (address, [])


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("0.1.2.3", False),
        ("100.64.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("fe80::1%eth0", False),
        ("ff02::1", False),
        ("::127.0.0.1", False),
        ("::ffff:0:127.0.0.1", False),
        ("64:ff9b:1::7f00:1", False),
        ("2001:0:7f00:1::", False),
        ("fec0::1", False),
        ("3fff::1", False),
        ("5f00::1", False),
        ("192.0.0.9", False),
        ("192.88.99.1", False),
        ("", False),
    ],
)
def test_only_addresses_of_the_public_internet_are_open(address: str, *, expected: bool) -> None:
    assert is_open(address, ()) is expected


def test_an_address_in_other_clothes_is_judged_as_what_it_is() -> None:
    assert is_open("::ffff:10.0.0.1", [ip_network("10.0.0.0/8")])
    assert is_open("::ffff:93.184.216.34", ())


def redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def absent(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


def break_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT) * 2))
    handler.end_headers()
    handler.wfile.write(CONTENT)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with_patience = 200
    for _ in range(with_patience):
        handler.wfile.write(CONTENT)


def no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"nonsense\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "limits"),
    [
        pytest.param(redirect, {}, id="a redirect"),
        pytest.param(absent, {}, id="not there"),
        pytest.param(break_off, {}, id="half a file"),
        pytest.param(no_http, {}, id="no HTTP"),
        pytest.param(give_file, {"maximum_bytes": 100}, id="too much, as declared"),
        pytest.param(endless, {"maximum_bytes": 10_000}, id="too much, undeclared"),
        pytest.param(give_file, {"seconds": -1.0}, id="too slow"),
    ],
)
def test_a_server_that_does_not_give_the_file_leaves_nothing(
    tmp_path: Path, answer: Answer, limits: dict[str, Any]
) -> None:
    with serving(answer) as (port, _asked), pytest.raises(SourceUnreachableError):
        fetch(port, tmp_path, **limits)

    assert list(tmp_path.iterdir()) == []


def test_a_silent_server_is_not_waited_for(tmp_path: Path) -> None:
    is_over = threading.Event()
    with serving(lambda _handler: is_over.wait(60) and None) as (port, _asked):
        with pytest.raises(SourceUnreachableError):
            fetch(port, tmp_path, silence_seconds=0.05)
        is_over.set()


def test_a_name_that_nobody_knows_is_unreachable(tmp_path: Path) -> None:
    def nobody(_host: str, _port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(SourceUnreachableError):
        fetch(1, tmp_path, names=nobody)


def test_what_follows_the_question_mark_is_in_no_error(tmp_path: Path) -> None:
    for origins in ((), ("http://data.test",)):
        with pytest.raises(HandlerError) as error:
            download(
                "http://data.test/x?token=secret",
                tmp_path / "x",
                RemoteSources(origins=origins),
                Names([]),
                time.monotonic,
            )
        assert "secret" not in f"{error.value} {vars(error.value)}"

    assert without_secrets("https://data.test/x?token=secret") == "https://data.test/x"
    assert without_secrets("file:///x?y") == "file:///x?y"
