"""How a refused source is called in the error about it: by where it leads, without what would let anybody in there."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:/*|\s*/*")
_LONGEST = 500


def without_credentials(source: str) -> str:
    """Return a text that was given as a source without users, passwords, query and fragment, however it is misspelt.

    A password may hold any character where it was not escaped, so everything before the last `@` goes.

    >>> without_credentials("https://me:pass/word@data.example/set.csv?signature=abc")
    'https://data.example/set.csv'
    >>> without_credentials("file:///inbox/me@home.csv#sheet")
    'file:///inbox/me@home.csv'
    >>> without_credentials("https://me:pass?word@data.example/set.csv")
    'https://...'
    """
    scheme = _SCHEME.match(source)
    begin = "" if scheme is None else scheme[0]
    plain, *rest = re.split(r"[?#]", source[len(begin) :], maxsplit=1)
    if "@" in "".join(rest):  # what stands before it may be the beginning of a password
        return f"{begin}..."
    if not begin.lower().startswith("file:///"):
        plain = plain.rpartition("@")[2]
    return f"{begin}{plain}"[:_LONGEST]
