"""64-bit fingerprints of values, for counting only: fast, well spread, and no defence against an attacker.

What a version is known by is made of SHA-256 alone (`storage.datasets.identity`).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Fingerprints = NDArray[np.uint64]

_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_ROW_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_WORD_BYTES = 8
_LONGEST_BY_WORDS = 512
MISSING = np.uint64(0x6D697373696E67)


def mixed(words: Fingerprints) -> Fingerprints:
    """Return each word's image under a bijection that spreads every bit over all bits.

    Source: the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).

    >>> [int(word) for word in mixed(np.array([0, 1], np.uint64))]
    [0, 6238072747940578789]
    """
    shifted = words >> _SHIFTS[0]
    result = words ^ shifted
    result *= _FACTORS[0]
    np.right_shift(result, _SHIFTS[1], out=shifted)
    result ^= shifted
    result *= _FACTORS[1]
    np.right_shift(result, _SHIFTS[2], out=shifted)
    result ^= shifted
    return result


def mixed_number(word: int) -> int:
    """Return `mixed` of one word.

    >>> mixed_number(1)
    6238072747940578789
    """
    for shift, factor in zip(map(int, _SHIFTS), (*map(int, _FACTORS), 1), strict=True):
        word = (word ^ word >> shift) * factor % 2**64
    return word


def combined(rows: Fingerprints, column: Fingerprints) -> Fingerprints:
    """Return the rows' fingerprints with one more column in them, in the same memory; the columns' order counts."""
    rows *= _ROW_FACTOR
    rows += column
    return rows


@lru_cache(maxsize=16)
def column_factors(columns: int) -> Fingerprints:
    """Return by what each column's fingerprints are multiplied, so that their sum is what `combined` comes to.

    >>> one, two = np.array([1], np.uint64), np.array([2], np.uint64)
    >>> np.array_equal(one * column_factors(2)[0] + two * column_factors(2)[1], combined(one.copy(), two))
    True
    """
    powers = [pow(int(_ROW_FACTOR), columns - number - 1, 2**64) for number in range(columns)]
    return np.array(powers, np.uint64)


def of_texts(lengths: NDArray[np.int64], data: NDArray[np.uint8]) -> Fingerprints:
    """Return the fingerprint of each of several texts that lie one behind the other in `data`."""
    starts = np.cumsum(lengths) - lengths
    padded = np.concatenate([data, np.zeros(_WORD_BYTES, np.uint8)])
    words = np.ndarray((len(data) + 1,), "<u8", padded.data, strides=(1,))
    result = mixed(lengths.astype(np.uint64) + _ROW_FACTOR)
    short = np.flatnonzero(lengths <= _LONGEST_BY_WORDS)
    for offset in range(0, int(lengths[short].max(initial=0)), _WORD_BYTES):
        short = short[lengths[short] > offset]
        rest = np.minimum(lengths[short] - offset, _WORD_BYTES).astype(np.uint64)
        keep = np.uint64(2**64 - 1) >> (np.uint64(64) - rest * np.uint64(8))
        result[short] = mixed(result[short] ^ (words[starts[short] + offset] & keep))
    for index in np.flatnonzero(lengths > _LONGEST_BY_WORDS):
        text = data[starts[index] : starts[index] + lengths[index]]
        result[index] = int.from_bytes(hashlib.blake2b(text.tobytes(), digest_size=8).digest(), "little")
    return result
