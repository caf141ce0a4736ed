"""The quick way of writing leaves and digests against RFC 8785 itself: not a byte may differ."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import UUID

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from storage import AuditEntry, SecurityContext
from storage.audit import canonical_leaf
from storage.audit.canonical import canonical_bytes
from storage.errors import RecordTextError
from storage.models import RoleType

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REFERENCE = UUID("01a20a08-360b-700f-bddc-62f1b1ba7912")
HOSTILE = '\x00\x01\x1f"\\/\b\f\n\r\t\x7f\x80\u2028\u2029\ud7ff\ue000\ufeff\uffff\U00010000\U0010ffff@é\u0301'

texts = st.one_of(st.text(), st.text(HOSTILE), st.sampled_from(["", "__proto__", "10", "9", "1e5", "NaN", "null"]))
floats = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**60), 2**60).map(float),
    st.sampled_from([0.0, -0.0, 1e-4, 9.999e-5, 1e-6, 1e-7, 1e15, 1e16, 1e20, 1e21, 5e-324, 2.0**53, 123456789.125]),
)
integers = st.one_of(st.integers(), st.sampled_from([2**53, 2**53 - 1, -(2**53), 1 - 2**53, 10**40]))
values: st.SearchStrategy[JsonValue] = st.recursive(
    st.one_of(st.none(), st.booleans(), integers, floats, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
documents = st.dictionaries(texts, values, max_size=5)


def entries() -> st.SearchStrategy[AuditEntry]:
    maybe_text, maybe_document = st.none() | texts, st.none() | documents
    return st.builds(
        AuditEntry,
        action=texts,
        subject=texts,
        details=documents,
        digest_of=documents,
        before=maybe_document,
        after=maybe_document,
        personal=st.just({}),
        tool=maybe_text,
        element_id=maybe_text,
        definition_sha256=maybe_text,
    )


def contexts() -> st.SearchStrategy[SecurityContext]:
    roles = st.frozensets(st.sampled_from(RoleType))
    return st.builds(SecurityContext, user_id=texts, tenant_id=texts, roles=roles)


def with_text_for_large_integers(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {name: with_text_for_large_integers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [with_text_for_large_integers(item) for item in value]
    return str(value) if isinstance(value, int) and abs(value) >= 2**53 else value


def by_the_rfc(document: dict[str, JsonValue]) -> bytes:
    return rfc8785.dumps(with_text_for_large_integers(document))


def sha256(document: object) -> str | None:
    return hashlib.sha256(by_the_rfc(document)).hexdigest() if isinstance(document, dict) else None


@given(documents)
@example({"\ue000": 1, "\U00010000": 2, "é": 0.1})
@example({"b": {"a": [1.0, -0.0, 1e-5, 1e16]}, "a": True})
def test_a_document_has_the_bytes_of_rfc_8785(document: dict[str, JsonValue]) -> None:
    assert canonical_bytes(document) == by_the_rfc(document)


@pytest.mark.parametrize(
    "value",
    [2**53 - 1, 1 - 2**53, 2**53, -(2**53), 10**40, 0.0, -0.0, 2.0, 0.5, -0.5, 1e-4, 9.999e-5, -1e-7, 1e15, 1e16, -1e16,
     9007199254740991.0, 9007199254740992.0, 1e20, 1e21, 5e-324, True, "1", None],
)  # fmt: skip
def test_a_value_at_the_edge_of_what_all_write_alike_has_the_bytes_of_rfc_8785(value: JsonValue) -> None:
    beside: list[dict[str, JsonValue]] = [
        {"a": value}, {"a": [1, value]}, {"a": [value, 1]}, {"b": {"c": value}}, {"é": value, "z": [{"y": value}]},
    ]  # fmt: skip

    assert [canonical_bytes(document) for document in beside] == [by_the_rfc(document) for document in beside]


@given(entries(), contexts())
def test_a_leaf_has_the_bytes_of_rfc_8785(entry: AuditEntry, context: SecurityContext) -> None:
    always: dict[str, JsonValue] = {
        "audit_ref": str(REFERENCE),
        "recorded_at": NOON.isoformat(),
        "tenant_id": context.tenant_id,
        "actor": None if "@" in context.user_id else context.user_id,
        "roles": sorted(role.value for role in context.roles),
        "action": entry.action,
        "subject": entry.subject,
        "details": dict(entry.details),
    }
    where_there: dict[str, JsonValue] = {
        "tool": entry.tool,
        "element_id": entry.element_id,
        "definition_sha256": entry.definition_sha256,
        "content_sha256": sha256(entry.digest_of or None),
        "before_sha256": sha256(entry.before),
        "after_sha256": sha256(entry.after),
    }
    leaf = always | {name: value for name, value in where_there.items() if value is not None}

    assert canonical_leaf(REFERENCE, entry, context, NOON).encode() == by_the_rfc(leaf)


@pytest.mark.parametrize("name", ["action", "subject", "tool", "element_id", "definition_sha256"])
def test_half_a_character_in_any_text_of_a_leaf_is_refused_by_its_name(name: str) -> None:
    entry = AuditEntry("a", "s")._replace(**{name: "\ud800"})

    with pytest.raises(RecordTextError) as refused:
        canonical_leaf(REFERENCE, entry, SecurityContext(user_id="ada", tenant_id="north"), NOON)

    assert refused.value.field == name


@pytest.mark.parametrize(
    "document", [{"x": "\ud800"}, {"\ud800": 1}, {"x": ["\udfff", 0.5]}, {"x": {"y": 1.0, "z": "\ud800"}}]
)
def test_half_a_character_in_a_document_is_refused(document: dict[str, JsonValue]) -> None:
    with pytest.raises(RecordTextError):
        canonical_bytes(document)
