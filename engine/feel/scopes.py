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


class ItemScope:
    """`item`, and the keys of an item that is a context, around which there are other names."""

    __slots__ = ("_item", "_keys", "_outer")

    def __init__(self, item: Value, outer: Names) -> None:
        self._item = item
        self._keys: dict[str, Value] = item if isinstance(item, dict) else {}
        self._outer = outer

    def get(self, name: str, /) -> Value:
        """Return a name's value; null where it is not defined."""
        if name in self._keys:
            return self._keys[name]
        return self._item if name == ITEM else self._outer.get(name)

    def __contains__(self, name: object, /) -> bool:
        """Return whether a name has a value, be it null."""
        return name == ITEM or name in self._keys or name in self._outer
