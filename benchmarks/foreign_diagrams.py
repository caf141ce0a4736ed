"""`python benchmarks/foreign_diagrams.py FOLDER`: verify all diagrams below a folder, and count what became of them."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from time import perf_counter

from learning.diagram_verification import FileFindings, verify_diagrams

_KINDS = ("*.bpmn", "*.bpmn20.xml")


def main() -> None:
    """Print how many files are accepted, and how many are refused for which reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    paths = sorted({path for kind in _KINDS for path in folder.rglob(kind)})
    for foreign in (False, True):
        began = perf_counter()
        _print(verify_diagrams(paths, foreign=foreign), perf_counter() - began, foreign=foreign)


def _print(checked: tuple[FileFindings, ...], seconds: float, *, foreign: bool) -> None:
    codes = [{finding.code for finding in each.findings if finding.severity == "error"} for each in checked]
    refused = sum(map(bool, codes))
    counts = f"{len(checked)} files, {len(checked) - refused} accepted, {refused} refused, {seconds:.1f} s"
    print(f"{'--foreign: ' if foreign else ''}{counts}")
    unplaced = [each.path for each in checked for finding in each.findings if finding.line < 1]
    print(f"  findings without a line: {len(unplaced)}")
    for code, count in Counter(code for found in codes for code in found).most_common():
        print(f"  {count:5} {code}")


if __name__ == "__main__":
    main()
