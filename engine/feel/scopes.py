"""Where names are looked up inside an expression: each scope hides the names of the one around it."""

from __future__ import annotations

from engine.feel.values import Names, Value

ITEM = "item"


class Scope:
    """Some names around which there are others."""

    __slots__ = ("_names", "_outer")

    def __init__(self, names: dict[str, Value], outer: Names) -> None:
        self._names = names
        self._outer = outer

    def get(self, name: str, /) -> Value:
        """Return a name's value; null where it is not defined."""
        return self._names[name] if name in self._names else self._outer.get(name)

    def __contains__(self, name: object, /) -> bool:
        """Return whether a name has a value, be it null."""
        return name in self._names or name in self._outer


def scope_of_item(item: Value, outer: Names) -> Scope:
    """Return the scope of a filter's condition: `item`, and the keys of an item that is a context."""
    return Scope({ITEM: item, **item} if isinstance(item, dict) else {ITEM: item}, outer)
