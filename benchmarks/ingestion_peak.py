"""Ingest one file and print how much memory this process had at most, in GiB."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from storage.datasets.ingestion import ingest


def main() -> None:
    """Ingest the file named first into the folder named second."""
    ingest(Path(sys.argv[1]), Path(sys.argv[2]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)


if __name__ == "__main__":
    main()
