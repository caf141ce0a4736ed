"""Where names are looked up while an expression is evaluated."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from engine.feel.values import Budget


class Frame:
    """Names and their values; those of inner frames hide those of outer ones, and all share one budget."""

    __slots__ = ("budget", "names", "outer")

    def __init__(self, names: Mapping[str, JsonValue], outer: Frame | None, budget: Budget) -> None:
        self.names = names
        self.outer = outer
        self.budget = budget

    def get(self, name: str) -> JsonValue:
        """Return a name's value; null where it is not defined."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.names:
                return frame.names[name]
            frame = frame.outer
        return None

    def defines(self, name: str) -> bool:
        """Return whether a name has a value, be it null."""
        return name in self.names or (self.outer is not None and self.outer.defines(name))

    def within(self, names: Mapping[str, JsonValue]) -> Frame:
        """Return a frame inside this one."""
        return Frame(names, self, self.budget)
