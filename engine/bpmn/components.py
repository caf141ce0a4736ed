"""Strongly connected components of a directed graph (Tarjan 1972, without recursion)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def strong_components(successors: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the components of a graph, each behind all those that it leads to.

    Args:
        successors: For each vertex, those that its edges lead to.
    """
    walk = _Walk(successors)
    for vertex in range(len(successors)):
        if walk.order[vertex] < 0:
            walk.visit_from(vertex)
    return walk.components


class _Walk:
    def __init__(self, successors: Sequence[Sequence[int]]) -> None:
        self._successors = successors
        self.order = [-1] * len(successors)
        self.components: list[list[int]] = []
        self._lowest = [0] * len(successors)
        self._is_open = [False] * len(successors)
        self._open: list[int] = []
        self._visited = 0

    def visit_from(self, root: int) -> None:
        calls = [self._enter(root)]
        while calls:
            vertex, edges = calls[-1]
            for target in edges:
                if self.order[target] < 0:
                    calls.append(self._enter(target))
                    break
                if self._is_open[target]:
                    self._lowest[vertex] = min(self._lowest[vertex], self.order[target])
            else:
                calls.pop()
                self._leave(vertex)
                if calls:
                    caller = calls[-1][0]
                    self._lowest[caller] = min(self._lowest[caller], self._lowest[vertex])

    def _enter(self, vertex: int) -> tuple[int, Iterator[int]]:
        self.order[vertex] = self._lowest[vertex] = self._visited
        self._visited += 1
        self._is_open[vertex] = True
        self._open.append(vertex)
        return vertex, iter(self._successors[vertex])

    def _leave(self, vertex: int) -> None:
        if self._lowest[vertex] != self.order[vertex]:
            return
        component: list[int] = []
        while not component or component[-1] != vertex:
            component.append(self._open.pop())
            self._is_open[component[-1]] = False
        self.components.append(component)
