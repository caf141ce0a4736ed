"""Group `datasets`: what it costs to know a table, over reading it."""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from measurement import Measurement
from pyarrow import csv, parquet

from storage.datasets.reading import open_table
from storage.datasets.scanning import scan

_ROWS = 1_000_000
_LARGE_ROWS = 10_000_000
_ROUNDS = 9
_BAR = 0.3
_MEMORY_BAR_GIB = 2.0


def measure() -> list[Measurement]:
    """Return profile and identity of 1,000,000 rows x 20 columns over reading them, and the memory of ten times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = mixed_table(_ROWS, seed=1)
        csv.write_csv(table, folder / "table.csv")
        parquet.write_table(table, folder / "table.parquet")
        del table
        return [
            *_ratios("csv", folder / "table.csv", csv.read_csv),
            *_ratios("parquet", folder / "table.parquet", parquet.read_table),
            _memory(folder / "large.parquet"),
        ]


def mixed_table(rows: int, seed: int) -> pa.Table:
    """Return eight columns of fractions, six of whole numbers, four of text, one of booleans and one of times."""
    chance = np.random.default_rng(seed)
    fractions = {f"fraction_{index}": pa.array(chance.normal(size=rows)) for index in range(8)}
    whole = {f"whole_{index}": pa.array(chance.integers(0, 10 ** (index + 1), rows)) for index in range(6)}
    words = {f"word_{index}": _words(chance, rows, 10 ** (index + 1)) for index in range(3)}
    moments = chance.integers(1_600_000_000, 1_700_000_000, rows) * 1_000_000
    return pa.table(
        {
            **fractions,
            **whole,
            **words,
            "is_new": pa.array(chance.integers(0, 2, rows).astype(bool)),
            "moment": pa.array(moments, pa.timestamp("us")),
            "label": _words(chance, rows, 3),
        }
    )


def _words(chance: np.random.Generator, rows: int, kinds: int) -> pa.Array:
    return pa.array(np.array([f"word {kind}" for kind in range(kinds)])[chance.integers(0, kinds, rows)])


def _ratios(kind: str, path: Path, read: Callable[[Path], object]) -> list[Measurement]:
    """Return the ratio by the clock, and by the processor's time, which says more on a busy machine."""
    pairs = [(_seconds(lambda: read(path)), _seconds(lambda: _know(path))) for _ in range(_ROUNDS)]
    wall, processor = (statistics.median(alone[by] / knowing[by] for alone, knowing in pairs) for by in (0, 1))
    name, against = f"datasets.profile_and_identity_{kind}", f"reading the {kind} file alone with pyarrow on all cores"
    return [
        Measurement(name, wall, "x", _BAR, "higher", f"{against}, as MB/s over MB/s"),
        Measurement(f"{name}_processor", processor, "x", None, "higher", f"{against}, in seconds of the processor"),
    ]


def _know(path: Path) -> None:
    with open_table(path) as stream:
        scan(stream.schema, stream.batches)


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    gc.collect()
    started, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - used


def _memory(path: Path) -> Measurement:
    """Ingest 10,000,000 rows x 20 columns in a process of its own; its peak is told by the operating system."""
    schema = mixed_table(1, seed=0).schema
    with parquet.ParquetWriter(path, schema) as writer:
        for seed in range(_LARGE_ROWS // _ROWS):
            writer.write_table(mixed_table(_ROWS, seed))
    command = [sys.executable, str(Path(__file__).with_name("ingestion_peak.py")), str(path), str(path.parent)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    against = f"peak memory of ingesting {_LARGE_ROWS:,} rows x 20 columns of Parquet, the chunks written included"
    return Measurement("datasets.peak_memory", float(ended.stdout), "GiB", _MEMORY_BAR_GIB, "lower", against)
