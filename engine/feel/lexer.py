"""FEEL text to tokens."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass

from engine.errors import ExpressionError

MAXIMUM_LENGTH = 4_096
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>(?:[0-9]{1,34}(?:\.[0-9]{1,34})?|(?<![\w.)\]}"])\.[0-9]{1,34}))
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<name>[^\W\d]\w*)
      | (?P<symbol><=|>=|!=|\.\.|\*\*|[-+*/=<>()\[\]{},.:@?])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:U([0-9A-Fa-f]{6})|.)", re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
KEYWORDS = frozenset({"true", "false", "null", "and", "or", "not", "if", "then", "else"})


def is_variable_name(text: str) -> bool:
    """Return whether an expression can read a variable of that name: one word, and none that FEEL takes for itself."""
    return text.isidentifier() and text not in KEYWORDS


@dataclass(frozen=True)
class Token:
    """One token: `kind` is number, string, name, end, or the symbol or keyword itself."""

    kind: str
    text: str
    position: int


def tokenize(source: str) -> list[Token]:
    """Return the tokens of `source`, closed by one of kind `end`.

    Raises:
        ExpressionError: A character that starts no token, or a text over the length limit.
    """
    if len(source) > MAXIMUM_LENGTH:
        raise ExpressionError(source=source, position=MAXIMUM_LENGTH, reason="Expression too long")
    tokens, position = [], 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            raise ExpressionError(source=source, position=position, reason=f"Unexpected {source[position]!r}")
        if match.lastgroup != "space":
            tokens.append(_token(match))
        position = match.end()
    return [*tokens, Token(kind="end", text="", position=len(source))]


def string_value(token: Token, source: str) -> str:
    """Return what a string token stands for: FEEL's escapes are JSON's, an apostrophe, and six digits behind `U`.

    Raises:
        ExpressionError: An escape that FEEL does not know, or a character that PostgreSQL's text does not.
    """
    try:
        value: str = json.loads(_ESCAPE.sub(_as_json_escape, token.text))
    except ValueError as error:
        raise ExpressionError(source=source, position=token.position, reason="Invalid string") from error
    if _UNSTORABLE.search(value):
        raise ExpressionError(source=source, position=token.position, reason="String with NUL or half a character")
    return value


def _as_json_escape(escape: re.Match[str]) -> str:
    if escape[1] is not None and int(escape[1], 16) <= sys.maxunicode:
        return json.dumps(chr(int(escape[1], 16)))[1:-1]
    return "'" if escape[0] == "\\'" else escape[0]


def _token(match: re.Match[str]) -> Token:
    text, group = match.group(), match.lastgroup or ""
    is_itself = group == "symbol" or (group == "name" and text in KEYWORDS)
    return Token(kind=text if is_itself else group, text=text, position=match.start())
