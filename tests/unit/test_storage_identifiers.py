"""UUID version 7: unique and ordered, whatever the clock does."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, repeat
from uuid import RFC_4122, UUID

from storage.identifiers import UuidSevenFactory, new_id

NOON_MILLISECONDS = 1_800_000_000_000


def test_an_identifier_carries_version_seven_and_the_variant_of_rfc_9562() -> None:
    identifier = new_id()

    assert (identifier.version, identifier.variant) == (7, RFC_4122)


def test_an_identifier_starts_with_the_time_of_its_making() -> None:
    before = time.time_ns() // 1_000_000
    identifier = UuidSevenFactory()()
    after = time.time_ns() // 1_000_000

    assert before <= identifier.int >> 80 <= after


def test_each_identifier_is_greater_than_the_one_before() -> None:
    identifiers = [new_id() for _ in range(20_000)]

    assert all(first < second for first, second in pairwise(identifiers))


def test_more_than_4096_identifiers_in_one_millisecond_go_on_into_the_next() -> None:
    factory = UuidSevenFactory()

    ticks = [factory._tick(NOON_MILLISECONDS) for _ in range(4_097)]

    assert ticks[0] == (NOON_MILLISECONDS, 0)
    assert ticks[4_095:] == [(NOON_MILLISECONDS, 4_095), (NOON_MILLISECONDS + 1, 0)]


def test_a_clock_that_went_back_does_not_take_the_order_back() -> None:
    factory = UuidSevenFactory()

    ticks = [factory._tick(now) for now in (NOON_MILLISECONDS, NOON_MILLISECONDS - 60_000, NOON_MILLISECONDS + 1)]

    assert ticks == [(NOON_MILLISECONDS, 0), (NOON_MILLISECONDS, 1), (NOON_MILLISECONDS + 1, 0)]


def test_threads_that_share_a_factory_never_get_the_same_identifier() -> None:
    def make(factory: UuidSevenFactory) -> list[UUID]:
        return [factory() for _ in range(2_000)]

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(make, repeat(UuidSevenFactory(), 4)))

    assert len({identifier for batch in made for identifier in batch}) == 8_000
    assert all(batch == sorted(batch) for batch in made)


def random_bits(identifiers: list[int]) -> set[int]:
    return {identifier & ((1 << 62) - 1) for identifier in identifiers}


def test_a_forked_process_draws_other_random_bits_than_the_one_it_came_from() -> None:
    new_id()  # the rest of what was drawn for it would be the same in both
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps([new_id().int for _ in range(100)]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        of_child = random_bits(json.load(answer))
    os.waitpid(child, 0)

    assert len(of_child) == 100
    assert of_child.isdisjoint(random_bits([new_id().int for _ in range(1_000)]))
