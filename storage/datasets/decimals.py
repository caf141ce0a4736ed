"""Decimals in their plainest form: as float64 or int64 where nothing is lost by it, else as text without idle zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_EXACT_DIGITS = 15  # every decimal of so many significant digits comes back from float64 as it was (IEEE 754, DBL_DIG)


def plain_decimals(array: Any) -> NDArray[np.float64] | NDArray[np.int64] | Any:
    """Return an array of decimals without nulls as float64, as int64 where all are whole, or as an Arrow array of text.

    >>> from decimal import Decimal
    >>> plain_decimals(pa.array([Decimal("1.50"), Decimal("-0.25")]))
    array([ 1.5 , -0.25])
    >>> plain_decimals(pa.array([Decimal("12345678901234567"), Decimal("1.00")])).tolist()
    [12345678901234567, 1]
    >>> plain_decimals(pa.array([Decimal("0.12345678901234567"), Decimal("1.50")])).to_pylist()
    ['0.12345678901234567', '1.5']
    """
    texts: Any = _plain_texts(array)
    digits: Any = pc.replace_substring_regex(texts, r"^-?0*\.?0*|\.|0+$", "")
    if len(texts) == 0 or pc.max(pc.utf8_length(digits)).as_py() <= _EXACT_DIGITS:
        return np.asarray(texts.cast(pa.float64()).to_numpy(zero_copy_only=False))
    if not pc.any(pc.match_substring(texts, ".")).as_py():
        try:
            return np.asarray(texts.cast(pa.int64()).to_numpy(zero_copy_only=False))
        except pa.ArrowInvalid:
            return texts
    return texts


def _plain_texts(array: Any) -> Any:
    kind = array.type
    if kind.scale < 0:  # written as 1E+2 otherwise
        array = array.cast(pa.decimal256(min(kind.precision - kind.scale, 76), 0))
    texts: Any = array.cast(pa.string())
    if pc.any(pc.match_substring(texts, "E")).as_py():
        texts = pa.array([f"{value:f}" for value in array.to_pylist()], pa.string())
    if kind.scale > 0:
        texts = pc.replace_substring_regex(texts, r"(\.[0-9]*?)0+$", r"\1")
        texts = pc.replace_substring_regex(texts, r"\.$", "")
    return texts
