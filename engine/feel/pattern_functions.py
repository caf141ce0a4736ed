"""Functions of strings that take regular expressions (DMN 1.3, table 74): those of RE2, matched in linear time.

RE2 has no look-around and no references back into the match, so that it never goes back over a text. What remains to be
bounded is the size of the automaton, and how often a text is searched again from one match to the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import re2

from engine.feel.parameters import TEXT, BuiltIn, built_in
from engine.feel.values import MAXIMUM_TEXT_LENGTH, Budget, LimitError, MismatchError

LONGEST_PATTERN = 1_000
MAXIMUM_MEMORY = 1 << 20  # bytes, for the automaton of one pattern
PATTERNS_KEPT = 16
# The slowest automaton measured takes 4.5 ns to read one byte with one instruction: 0.3 s for all steps.
_INSTRUCTIONS_PER_STEP = 128
_COMPILED_PER_STEP = 2
_PLAIN = re.compile(r"[^\\.\[\]{}()*+?^$|]+")
_REPLACEMENT = re.compile(r"[^\\$]+|\\[\\$]|\$[0-9]{1,3}")
_FLAGS = frozenset("ims")


@lru_cache(PATTERNS_KEPT)
def _compiled(pattern: str, flags: str) -> Any:
    """Return the automaton of a pattern.

    Raises:
        MismatchError: It is none, or one that is not supported; too long, or too large.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise MismatchError(f"a pattern has at most {LONGEST_PATTERN} characters")
    if not _FLAGS.issuperset(flags):
        raise MismatchError("flags are of i, m and s")
    options = re2.Options()
    options.max_mem, options.log_errors, options.case_sensitive = MAXIMUM_MEMORY, False, "i" not in flags
    marks = "".join(sorted(_FLAGS.intersection(flags) - {"i"}))
    try:
        automaton = re2.compile(_bytes(f"(?{marks}){pattern}" if marks else pattern), options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
        raise MismatchError(f"{pattern[:60]!r} is no pattern that can be matched: {reason}") from error
    re2.purge()  # the module keeps many more than are kept here
    return automaton


def _automaton(budget: Budget, pattern: str, flags: str) -> Any:
    automaton = _compiled(pattern, "".join(sorted(set(flags))))
    budget.spend(int(automaton.programsize) // _COMPILED_PER_STEP)
    return automaton


def pattern_objection(pattern: str) -> str | None:
    """Return why a text is no pattern; `None` where it is one."""
    try:
        _compiled(pattern, "")
    except MismatchError as error:
        return str(error)
    return None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # JSON may hold half of a pair


def _search(budget: Budget, automaton: Any, text: bytes, position: int) -> Any:
    budget.spend(1 + (len(text) - position) * int(automaton.programsize) // _INSTRUCTIONS_PER_STEP)
    return automaton.search(text, position)


def _found(budget: Budget, automaton: Any, text: bytes) -> Iterator[Any]:
    """Yield the matches in a text, one behind the other.

    Raises:
        MismatchError: The pattern matches where nothing is, so that it would be found everywhere.
    """
    match = _search(budget, automaton, text, 0)
    while match is not None:
        if match.end() == match.start() or automaton.fullmatch(b"") is not None:
            raise MismatchError("the pattern matches the empty text")
        yield match
        match = _search(budget, automaton, text, match.end())


def _matches(budget: Budget, text: str, pattern: str, flags: str = "") -> bool:
    return _search(budget, _automaton(budget, pattern, flags), _bytes(text), 0) is not None


def _split(budget: Budget, text: str, delimiter: str) -> list[Any]:
    if _PLAIN.fullmatch(delimiter):
        parts = text.split(delimiter)
        budget.spend(len(parts))
        return list(parts)
    content, parts, end = _bytes(text), [], 0
    for match in _found(budget, _automaton(budget, delimiter, ""), content):
        parts.append(_text(content[end : match.start()]))
        end = match.end()
    return [*parts, _text(content[end:])]


def _replace(budget: Budget, text: str, pattern: str, replacement: str, flags: str = "") -> str:
    pieces = _REPLACEMENT.findall(budget.spend_on_making(replacement))
    if sum(map(len, pieces)) < len(replacement):
        raise MismatchError(r"a replacement has $1 for a group, \$ for a dollar sign and \\ for a backslash")
    automaton, content = _automaton(budget, pattern, flags), _bytes(text)
    parts, end, length = [], 0, len(content)
    for match in _found(budget, automaton, content):
        budget.spend(4 * len(pieces))
        expanded = b"".join(_expanded(piece, match, automaton.groups) for piece in pieces)
        parts += [content[end : match.start()], expanded]
        end, length = match.end(), length + len(expanded)
        if length > 4 * MAXIMUM_TEXT_LENGTH:
            raise LimitError("Text too long")
    return budget.spend_on_making(_text(b"".join([*parts, content[end:]])))


def _expanded(piece: str, match: Any, groups: int) -> bytes:
    """Return what a piece of a replacement stands for; in `$12` the 2 is a digit where there are fewer groups."""
    if not piece.startswith("$"):
        return _bytes(piece.removeprefix("\\"))
    digits = next((piece[1:end] for end in range(len(piece), 2, -1) if int(piece[1:end]) <= groups), piece[1])
    group = match.group(int(digits)) if int(digits) <= groups else b""
    return (group or b"") + _bytes(piece[1 + len(digits) :])


def _text(content: bytes) -> str:
    return content.decode(errors="surrogatepass")


PATTERN_FUNCTIONS: dict[str, BuiltIn] = {
    "matches": built_in("matches", _matches, TEXT, TEXT, TEXT, optional=1),
    "replace": built_in("replace", _replace, TEXT, TEXT, TEXT, TEXT, optional=1),
    "split": built_in("split", _split, TEXT, TEXT),
}
