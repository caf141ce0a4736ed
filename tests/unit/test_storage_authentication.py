"""Bearer tokens of development principals, and the file that they are kept in."""

from __future__ import annotations

import stat
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from storage import SecurityContext
from storage.authentication import DEVELOPMENT_TENANT, DevelopmentTokens, development_tokens, require_loopback
from storage.errors import AuthenticationError, InvalidTokenError, NotLoopbackError, PrincipalsInvalidError
from storage.models import RoleType


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "principals.json"


@pytest.fixture
def tokens(path: Path) -> DevelopmentTokens:
    return development_tokens(path)


def everybodys_tokens(path: Path) -> tuple[str, ...]:
    tokens = development_tokens(path)
    return tuple(tokens.token_of(principal.user_id) for principal in tokens.principals)


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {} "])
def test_a_bearer_token_names_its_principal(tokens: DevelopmentTokens, form: str) -> None:
    principal = tokens.authenticate(form.format(tokens.token_of("grace")), "127.0.0.1")

    assert principal == SecurityContext(
        user_id="grace",
        tenant_id=DEVELOPMENT_TENANT,
        roles=frozenset({RoleType.MEMBER}),
        groups=frozenset({"reviewer"}),
        address="127.0.0.1",
    )


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic {}", "{}", "Token {}", "Bearer:{}"])
def test_a_header_without_a_bearer_token_asks_for_one(tokens: DevelopmentTokens, header: str | None) -> None:
    with pytest.raises(AuthenticationError):
        tokens.authenticate(header and header.format(tokens.token_of("ada")), None)


@pytest.mark.parametrize(
    "change", [lambda token: token[:-1], lambda token: f"{token}x", str.swapcase, lambda _: "ö", lambda _: "\ud800"]
)
def test_a_token_that_is_nobodys_is_refused(tokens: DevelopmentTokens, change: Callable[[str], str]) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.authenticate(f"Bearer {change(tokens.token_of('ada'))}", None)


def test_the_file_can_be_read_by_its_owner_only_and_nothing_lies_beside_it(
    path: Path, tokens: DevelopmentTokens
) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert len(set(everybodys_tokens(path))) == len(tokens.principals)


def test_tokens_stay_the_same_after_a_restart(path: Path, tokens: DevelopmentTokens) -> None:
    assert everybodys_tokens(path) == tuple(tokens.token_of(person.user_id) for person in tokens.principals)


def test_threads_that_start_at_once_agree_on_the_tokens(path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(everybodys_tokens, [path] * 8))

    assert found == {everybodys_tokens(path)}
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_start_at_once_agree_on_the_tokens(path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as processes:
        found = set(processes.map(everybodys_tokens, [path] * 4))

    assert found == {everybodys_tokens(path)}


def test_no_token_appears_in_what_is_printed_logged_or_dumped(tokens: DevelopmentTokens) -> None:
    shown = f"{tokens!r} {tokens} {tokens.model_dump()} {tokens.model_dump_json()}"

    assert not [person.user_id for person in tokens.principals if tokens.token_of(person.user_id) in shown]


@pytest.mark.parametrize(("intact", "damaged"), [('"ada"', "7"), ('"member"', '"boss"'), ("{", "")])
def test_the_error_about_a_damaged_file_names_it_and_repeats_no_token(
    path: Path, tokens: DevelopmentTokens, intact: str, damaged: str
) -> None:
    path.write_text(path.read_text().replace(intact, damaged))

    with pytest.raises(PrincipalsInvalidError) as error:
        development_tokens(path)

    assert error.value.path == str(path)
    assert error.value.__cause__ is None
    assert tokens.token_of("grace") not in str(error.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_development_principals_may_be_offered_on_loopback(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "192.168.1.7", "example.org", "127.0.0.1.nip.io"])  # noqa: S104
def test_development_principals_are_not_offered_to_other_machines(host: str) -> None:
    with pytest.raises(NotLoopbackError) as refusal:
        require_loopback(host)

    assert refusal.value.host == host
