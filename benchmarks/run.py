"""`make bench`: run the groups, print the table, write `results.json`; exit code 1 where a bar is missed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import audit_group
import datasets_group
import engine_group
import feel_group
import learning_group
import lineage_group
import objects_group
import storage_group
import timeseries_group
from measurement import Benchmark, Measurement
from rich.console import Console
from rich.table import Table

GROUPS: dict[str, Benchmark] = {
    "audit": audit_group.measure,
    "datasets": datasets_group.measure,
    "engine": engine_group.measure,
    "feel": feel_group.measure,
    "learning": learning_group.measure,
    "storage": storage_group.measure,
    "objects": objects_group.measure,
    "lineage": lineage_group.measure,
    "timeseries": timeseries_group.measure,
}


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(GROUPS), help="one group")
    only = parser.parse_args().only
    measured = [figure for name, run in GROUPS.items() if only in {None, name} for figure in run()]
    Console().print(_table(measured))
    results = Path(__file__).with_name("results.json")
    results.write_text(json.dumps([figure.as_row() for figure in measured], indent=2) + "\n", encoding="utf-8")
    return 0 if all(figure.passed for figure in measured) else 1


def _table(measured: list[Measurement]) -> Table:
    table = Table("benchmark", "value", "bar", "", "against")
    for figure in measured:
        sign = "≥" if figure.better == "higher" else "≤"
        bar, verdict = f"{sign} {figure.bar}", "[green]reached" if figure.passed else "[red]missed"
        if figure.bar is None:
            bar = verdict = ""
        table.add_row(figure.name, f"{figure.value:.2f} {figure.unit}", bar, verdict, figure.against)
    return table


if __name__ == "__main__":
    sys.exit(main())
