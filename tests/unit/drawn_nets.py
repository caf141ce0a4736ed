"""Processes from one line of text, and a plain token game over them: every order of every event, one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import TypeAlias

from diagrams import boundary, diagram, duration, end, flow, gateway, inclusive, parallel, service_task, start

from engine.bpmn import ProcessModel, read_diagram

Tokens: TypeAlias = frozenset[tuple[str, int]]  # "flow:3" or "busy:T1:2" (events that may still happen), and how many


class TooManyError(Exception):
    """The game has no end, or too many positions."""


def drawn(text: str) -> bytes:
    """Return a diagram of flows such as `S>P1 P1>T1 P1>T2`.

    The first letter says what a node is: S start, T task, P parallel, X exclusive and I inclusive gateway, E end, K
    terminate end. Behind an inclusive gateway the first flow is the default, the others have conditions.
    `T1!B1` attaches a boundary event that interrupts, `T1~B1` one that does not.
    """
    nodes, flows, chosen = dict[str, str](), list[str](), set[str]()
    ways = Counter(word.split(">")[0] for word in text.split() if ">" in word)
    for number, word in enumerate(text.split()):
        if "!" in word or "~" in word:
            host, event = word.replace("~", "!").split("!")
            nodes[event] = boundary(event, host, timer=duration("PT1H"), interrupting="!" in word)
            continue
        source, target = word.split(">")
        if source[0] in "XI" and ways[source] > 1:
            condition = "=a" if source in chosen else None
            flow_id = f"F{source}" if condition is None else f"F{number}"
            flows.append(flow(source, target, condition, flow_id=flow_id, name="way"))
            chosen.add(source)
        else:
            flows.append(flow(source, target))
        for node_id in (source, target):
            if node_id not in nodes and not node_id.startswith("B"):
                nodes[node_id] = _node(node_id, ways[node_id])
    return diagram("p", *nodes.values(), *flows)


def _node(node_id: str, ways: int) -> str:  # noqa: PLR0911 - one case a kind
    match node_id[0]:
        case "S":
            return start(node_id)
        case "P":
            return parallel(node_id)
        case "X":
            return gateway(node_id, f"F{node_id}" if ways > 1 else None)
        case "I":
            return inclusive(node_id, f"F{node_id}" if ways > 1 else None)
        case "E":
            return end(node_id)
        case "K":
            return end(node_id, terminates=True)
        case _:
            return service_task(node_id, "plain")


class TokenGame:
    """All positions of a process, found without any of the abbreviations of the verification."""

    def __init__(self, content: bytes, maximum: int) -> None:
        (self._model,) = read_diagram(content)
        self._number = {id(each): f"flow:{number}" for number, each in enumerate(self._model.flows)}
        self.moves: dict[Tokens, set[Tokens]] = {}
        open_positions = [_position(Counter(self._leave(event.id))) for event in self._model.start_events()]
        while open_positions:
            position = open_positions.pop()
            if position not in self.moves:
                self.moves[position] = {_position(tokens) for tokens in self._next(position)}
                open_positions += self.moves[position]
            if len(self.moves) > maximum:
                raise TooManyError

    def ends(self) -> Iterator[Tokens]:
        """Return the positions from which nothing goes on."""
        return (position for position, moves in self.moves.items() if not moves)

    def waiting_joins(self, position: Tokens) -> set[str]:
        tokens = dict(position)
        return {each.target for each in self._model.flows if self._number[id(each)] in tokens}

    def has_circle_without_end(self) -> bool:
        """Return whether there is a position from which no end can be reached."""
        before = defaultdict[Tokens, list[Tokens]](list)
        for position, moves in self.moves.items():
            for move in moves:
                before[move].append(position)
        reached, frontier = set[Tokens](), list(self.ends())
        while frontier:
            position = frontier.pop()
            if position not in reached:
                reached.add(position)
                frontier += before[position]
        return len(reached) < len(self.moves)

    def _next(self, position: Tokens) -> Iterator[Counter[str]]:
        tokens = Counter(dict(position))
        joined = [
            self._join(node.id, tokens) for node in self._model.nodes.values() if self._is_complete(node.id, tokens)
        ]
        if joined:
            yield from joined  # it goes on at once
            return
        for node in self._model.nodes.values():
            entering = [self._number[id(each)] for each in self._model.incoming(node.id)]
            if self._is_inclusive_join(node.id):
                continue
            if node.id[0] == "P":
                if all(tokens[each] for each in entering):
                    yield tokens - Counter(entering) + Counter(self._leave(node.id))
                continue
            for each in entering:
                if tokens[each]:
                    yield from self._enter(node.id, tokens - Counter([each]))
        for joined_at in [each for each in tokens if each.startswith("joined")]:
            yield from self._enter(joined_at.partition(":")[2], tokens - Counter([joined_at]))
        for busy in [each for each in tokens if each.startswith("busy")]:
            yield from self._work(busy, tokens - Counter([busy]))

    def _enter(self, node_id: str, others: Counter[str]) -> Iterator[Counter[str]]:
        match node_id[0]:
            case "E":
                yield others
            case "K":
                yield Counter()
            case "X":
                for each in self._leave(node_id):
                    yield others + Counter([each])
            case "I":
                for ways in self._inclusive_ways(node_id):
                    yield others + Counter(ways)
            case _:
                aside = [each.id for each in self._model.boundary_events(node_id) if not each.is_interrupting]
                yield others + Counter([":".join(["busy", node_id, *aside])])

    def _is_inclusive_join(self, node_id: str) -> bool:
        return node_id[0] == "I" and len(self._model.incoming(node_id)) > 1

    def _is_complete(self, node_id: str, tokens: Counter[str]) -> bool:
        """Return whether an inclusive join goes on, by the letter of BPMN 2.0.2, 13.4.3, or waits for events, too."""
        if not self._is_inclusive_join(node_id):
            return False
        entering = {self._number[id(each)] for each in self._model.incoming(node_id)}
        arrived = entering & set(+tokens)
        if not arrived:
            return False
        for token in +tokens:
            if token in entering:
                continue
            ways, by_flows = (self._ways_to(node_id, token, by_events=each) for each in (True, False))
            if ways - arrived and not by_flows & arrived:
                return False
        return True

    def _ways_to(self, join: str, token: str, *, by_events: bool) -> set[str]:
        """Return the flows into a join that can be reached from a token without passing the join."""
        numbered = {self._number[id(each)]: each for each in self._model.flows}
        frontier = [numbered[token].target] if token in numbered else [token.split(":")[1]]
        reached, ways = set[str](), set[str]()
        while frontier:
            node_id = frontier.pop()
            if node_id in reached or node_id == join:
                continue
            reached.add(node_id)
            leaving = list(self._model.outgoing(node_id))
            ways |= {self._number[id(each)] for each in leaving if each.target == join}
            frontier += [each.target for each in leaving]
            frontier += [each.id for each in self._model.boundary_events(node_id) if by_events]
        return ways

    def _join(self, node_id: str, tokens: Counter[str]) -> Counter[str]:
        taken = [number for each in self._model.incoming(node_id) if tokens[number := self._number[id(each)]]]
        return tokens - Counter(taken) + Counter([f"joined:{node_id}"])

    def _inclusive_ways(self, node_id: str) -> Iterator[list[str]]:
        default, *asked = self._leave(node_id)
        yield [default]
        for count in range(1, len(asked) + 1):
            yield from (list(chosen) for chosen in combinations(asked, count))

    def _work(self, busy: str, others: Counter[str]) -> Iterator[Counter[str]]:
        _, node_id, *aside = busy.split(":")
        yield others + Counter(self._leave(node_id))
        for event in self._model.boundary_events(node_id):
            if event.is_interrupting:
                yield others + Counter(self._leave(event.id))
            elif event.id in aside:
                left = ":".join(["busy", node_id, *(each for each in aside if each != event.id)])
                yield others + Counter([left, *self._leave(event.id)])

    def _leave(self, node_id: str) -> list[str]:
        return [self._number[id(each)] for each in self._model.outgoing(node_id)]


def _position(tokens: Counter[str]) -> Tokens:
    return frozenset(tokens.items())


def model_of(content: bytes) -> ProcessModel:
    (model,) = read_diagram(content)
    return model
