"""A worker process: `worker_child.py URL` answers each line with the seconds in which it found no more work."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from engine_plant import Plant

with tempfile.TemporaryDirectory() as folder:
    plant = Plant(sys.argv[1], Path(folder))
    plant.drain()
    print(0, flush=True)
    for _ in sys.stdin:
        print(plant.drain(), flush=True)
