"""Datasets from web servers that the operator named: no other server, no address within our own network, no detours.

A name is looked up once, every address it has is judged, and the connection goes to one of these addresses: a second
look-up, which an attacker could answer differently, does not happen. Redirects are refused, and no proxy is used.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import BinaryIO, TypeAlias
from urllib.parse import SplitResult, urlsplit

from handlers.errors import SourceAddressRefusedError, SourceNotAllowedError, SourceUnreachableError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Iterable[str]]
Clock = Callable[[], float]

_PORTS = {"http": 80, "https": 443}
_PUBLIC = ip_network("2000::/3")  # what is given out of IPv6; of the rest, much is IPv4 in other clothes (RFC 6890)
_NOT_PUBLIC: tuple[Network, ...] = (
    ip_network("192.0.0.0/24"),  # protocols between neighbours (RFC 6890)
    ip_network("192.88.99.0/24"),  # relays of 6to4 (RFC 7526)
    ip_network("3fff::/20"),  # documentation (RFC 9637)
)
_READ_BYTES = 256 * 1024
_OK = 200


@dataclass(frozen=True)
class RemoteSources:
    """What may be fetched.

    Attributes:
        origins: `scheme://host` or `scheme://host:port`, exactly as they are asked for.
        networks: Private networks in which addresses are allowed after all.
        maximum_bytes: Of one file.
        seconds: For one file, from the look-up to the last byte.
        silence_seconds: How long the server may say nothing.
    """

    origins: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    maximum_bytes: int = 8 * 1024**3
    seconds: float = 1_800.0
    silence_seconds: float = 30.0


def is_remote(source_uri: str) -> bool:
    """Return whether a source is asked from a web server."""
    return source_uri.lower().startswith(("http://", "https://"))


def without_secrets(source_uri: str) -> str:
    """Return the source as it may be recorded: what follows the question mark may be a signature or a token."""
    return source_uri.partition("?")[0] if is_remote(source_uri) else source_uri


def resolve_host(host: str, port: int) -> tuple[str, ...]:
    """Return the addresses of a host, as the operating system finds them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def download(source_uri: str, destination: Path, sources: RemoteSources, resolve: Resolve, clock: Clock) -> Path:
    """Write a remote file to `destination` and return that path.

    Args:
        source_uri: `http` or `https`.
        destination: A new file.
        sources: What may be fetched.
        resolve: Gives the addresses of a host.
        clock: Monotonic seconds.

    Raises:
        SourceNotAllowedError: The server is not one that the operator named.
        SourceAddressRefusedError: Its name leads into a network that is not open.
        SourceUnreachableError: It does not answer, answers with anything but the file, too much, or too slowly.
    """
    parts = _allowed(source_uri, sources)
    started = clock()
    address, port = _judged_address(source_uri, parts, sources, resolve)
    try:
        with _answer(parts, address, port, sources) as response, destination.open("wb") as file:
            if response.status != _OK:
                raise _unreachable(source_uri, f"it answered with status {response.status}; redirects are not followed")
            _copy(response, file, source_uri, sources, lambda: clock() - started)
    except (OSError, http.client.HTTPException) as error:
        destination.unlink(missing_ok=True)
        raise _unreachable(source_uri, str(error)[:200] or type(error).__name__) from error
    except SourceUnreachableError:
        destination.unlink(missing_ok=True)
        raise
    return destination


def _allowed(source_uri: str, sources: RemoteSources) -> SplitResult:
    refusal = SourceNotAllowedError(source_uri=without_secrets(source_uri), origins=sources.origins)
    try:
        parts = urlsplit(source_uri)
        port = parts.port
    except ValueError as error:
        raise refusal from error
    if (
        not _is_plain(source_uri)
        or parts.scheme not in _PORTS
        or parts.username is not None
        or parts.fragment
        or not parts.hostname
    ):
        raise refusal
    if port is not None and port == _PORTS[parts.scheme]:
        port = None
    origin = f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port is not None else "")
    if origin not in sources.origins:
        raise refusal
    return parts


def _is_plain(source_uri: str) -> bool:
    """Return whether every character is one that a URI may have (RFC 3986, 2)."""
    return source_uri.isascii() and source_uri.isprintable() and not set(source_uri) & set(' \\"<>^`{|}')


def _judged_address(source_uri: str, parts: SplitResult, sources: RemoteSources, resolve: Resolve) -> tuple[str, int]:
    host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
    try:
        addresses = tuple(resolve(host, port))
    except OSError as error:
        raise _unreachable(source_uri, f"its name cannot be looked up ({error})") from error
    refused = [address for address in addresses if not is_open(address, sources.networks)]
    if refused or not addresses:
        raise SourceAddressRefusedError(host=host, address=refused[0] if refused else "none")
    return addresses[0], port


def is_open(text: str, networks: Iterable[Network]) -> bool:
    """Return whether an address is on the public internet, or in one of these networks.

    >>> [is_open(text, ()) for text in ("93.184.216.34", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "nonsense")]
    [True, False, False, False, False]
    >>> is_open("10.0.0.1", [ip_network("10.0.0.0/8")])
    True
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(_is_within(address, network) for network in networks):
        return True
    if not address.is_global or address.is_multicast or any(_is_within(address, network) for network in _NOT_PUBLIC):
        return False
    return isinstance(address, IPv4Address) or (address in _PUBLIC and not _is_tunnelled(address))


def _is_within(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


def _is_tunnelled(address: IPv6Address) -> bool:
    return address.sixtofour is not None or address.teredo is not None


@contextmanager
def _answer(parts: SplitResult, address: str, port: int, sources: RemoteSources) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(str(parts.hostname), port, timeout=sources.silence_seconds)
    with closing(connection), socket.create_connection((address, port), sources.silence_seconds) as plain:
        connection.sock = _secured(plain, str(parts.hostname)) if parts.scheme == "https" else plain
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept-Encoding": "identity", "User-Agent": "ami-learning"})
        with connection.getresponse() as response:
            yield response


def _secured(plain: socket.socket, host: str) -> ssl.SSLSocket:
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _copy(
    response: http.client.HTTPResponse,
    file: BinaryIO,
    source_uri: str,
    sources: RemoteSources,
    elapsed: Callable[[], float],
) -> None:
    size = 0
    if response.length is not None and response.length > sources.maximum_bytes:
        raise _unreachable(source_uri, f"its {response.length} bytes are more than {sources.maximum_bytes}")
    while part := response.read1(_READ_BYTES):
        size += len(part)
        if size > sources.maximum_bytes:
            raise _unreachable(source_uri, f"it sends more than {sources.maximum_bytes} bytes")
        if elapsed() > sources.seconds:
            raise _unreachable(source_uri, f"it took more than {sources.seconds:g} s")
        file.write(part)
    if response.length:
        raise _unreachable(source_uri, f"it broke off {response.length} bytes before the end")


def _unreachable(source_uri: str, reason: str) -> SourceUnreachableError:
    return SourceUnreachableError(source_uri=without_secrets(source_uri), reason=reason)
