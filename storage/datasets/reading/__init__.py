"""Files from outside as streams of rows, told apart by what is in them and not by their names."""

from storage.datasets.reading.opening import open_table
from storage.datasets.reading.streams import TableStream, WiderTypeNeededError

__all__ = ["TableStream", "WiderTypeNeededError", "open_table"]
