"""What is loaded stays, so the garbage collector is kept from it, and works on whatever comes after."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = """
import contextlib, gc, sys
from learning.loading import loading

with contextlib.suppress(ImportError), loading():
    before, loaded = gc.isenabled(), ["what an import leaves"]
    if "fails" in sys.argv:
        raise ImportError
later = []
seen = [each for each in gc.get_objects() if each is loaded or each is later]
print(before, gc.isenabled(), seen == [later])
"""


@pytest.mark.parametrize("ending", ["succeeds", "fails"])
def test_the_collector_looks_at_what_comes_after_loading_and_at_nothing_that_was_loaded(ending: str) -> None:
    command = [sys.executable, "-c", LOADED, ending]

    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    assert ended.stdout.split() == ["False", "True", "True"]
