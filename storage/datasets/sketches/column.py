"""Everything that is counted of one column, piece by piece, and how it is written down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
from pydantic import BaseModel, ConfigDict

from storage.datasets.canonical import CanonicalColumn
from storage.datasets.fingerprints import Fingerprints
from storage.datasets.sketches.distinct import DistinctSketch
from storage.datasets.sketches.frequent import FrequentSketch
from storage.datasets.sketches.moments import Moments
from storage.datasets.sketches.pieces import ColumnPiece, Place, measured
from storage.datasets.sketches.quantiles import QuantileSketch


@dataclass(frozen=True)
class ColumnSketch:
    """Of one column, or of a part of its rows.

    Attributes:
        infinite: How many numbers are infinite; they are values, but have no part in moments and quantiles.
        moments: Of finite numbers.
        lengths: Of the distinct texts of each chunk, in bytes: only its extremes mean something.
    """

    rows: int = 0
    missing: int = 0
    infinite: int = 0
    distinct: DistinctSketch = field(default_factory=DistinctSketch)
    frequent: FrequentSketch = field(default_factory=FrequentSketch)
    moments: Moments = field(default_factory=Moments)
    quantiles: QuantileSketch = field(default_factory=QuantileSketch)
    lengths: Moments = field(default_factory=Moments)

    def merged(self, other: ColumnSketch) -> ColumnSketch:
        """Return the sketch of both parts together."""
        return ColumnSketch(
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            infinite=self.infinite + other.infinite,
            distinct=self.distinct.merged(other.distinct),
            frequent=self.frequent.merged(other.frequent),
            moments=self.moments.merged(other.moments),
            quantiles=self.quantiles.merged(other.quantiles),
            lengths=self.lengths.merged(other.lengths),
        )

    def with_chunk(self, column: CanonicalColumn, fingerprints: Fingerprints) -> ColumnSketch:
        """Return the sketch with these rows seen as well.

        Args:
            column: The rows.
            fingerprints: What `value_fingerprints` gives for them.
        """
        return self.with_pieces([measured(column, fingerprints, Place(self.rows, self.distinct.ceiling))])

    def with_pieces(self, pieces: Sequence[ColumnPiece]) -> ColumnSketch:
        """Return the sketch with these chunks, in their order, seen as well."""
        return ColumnSketch(
            rows=self.rows + sum(piece.rows for piece in pieces),
            missing=self.missing + sum(piece.missing for piece in pieces),
            infinite=self.infinite + sum(piece.infinite for piece in pieces),
            distinct=self.distinct.with_values(np.concatenate([piece.fingerprints for piece in pieces])),
            frequent=self.frequent.with_chunks(piece.common for piece in pieces),
            moments=reduce(Moments.merged, (piece.moments for piece in pieces), self.moments),
            quantiles=self.quantiles.with_samples(piece.sample for piece in pieces if piece.sample is not None),
            lengths=reduce(Moments.merged, (piece.lengths for piece in pieces), self.lengths),
        )


class ColumnSketchDocument(BaseModel):
    """A column's sketch as it is stored; two of them merge into the sketch of both parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: int
    missing: int
    infinite: int
    distinct: str
    frequent: tuple[tuple[str | bool | int | float, int], ...]
    frequent_error: int
    moments: tuple[int, float | None, float | None, float | None, float | None]
    quantile_levels: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, name: str, sketch: ColumnSketch) -> ColumnSketchDocument:
        """Return the document of a sketch; numbers beyond JSON's are null."""
        moments = sketch.moments
        figures = (moments.mean, moments.squares, moments.minimum, moments.maximum)
        mean, squares, minimum, maximum = (figure if math.isfinite(figure) else None for figure in figures)
        return cls(
            name=name,
            rows=sketch.rows,
            missing=sketch.missing,
            infinite=sketch.infinite,
            distinct=sketch.distinct.as_text(),
            frequent=tuple(sketch.frequent.counts.items()),
            frequent_error=sketch.frequent.error,
            moments=(moments.count, mean, squares, minimum, maximum),
            quantile_levels=tuple(tuple(level.tolist()) for level in sketch.quantiles.levels),
        )

    def sketch(self) -> ColumnSketch:
        """Return the sketch; texts' lengths are not kept."""
        count, mean, squares, minimum, maximum = self.moments
        levels = tuple(np.array(level, np.float64) for level in self.quantile_levels)
        return ColumnSketch(
            rows=self.rows,
            missing=self.missing,
            infinite=self.infinite,
            distinct=DistinctSketch.from_text(self.distinct),
            frequent=FrequentSketch(dict(self.frequent), self.frequent_error),
            moments=Moments(
                count=count,
                mean=math.nan if mean is None else mean,
                squares=math.inf if squares is None else squares,
                minimum=math.inf if minimum is None else minimum,
                maximum=-math.inf if maximum is None else maximum,
            ),
            quantiles=QuantileSketch(levels, sum(len(level) << height for height, level in enumerate(levels))),
        )
