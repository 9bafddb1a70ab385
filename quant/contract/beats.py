"""Rows of bytes in whole beats: the one place that pads, and that checks what was received."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from transfab.quant.intmath import Array

Beats = npt.NDArray[np.uint8]


def ceil_divide(count: int, step: int) -> int:
    """Steps that hold `count`."""
    return -(-count // step)


def to_beats(rows: Array, beat_bytes: int) -> Beats:
    """Put each row into beats of its own, zeros behind its last byte.

    rows  (..., N) of a little-endian dtype, or of int8 or uint8
    ->    (beats, beat_bytes) uint8, C-contiguous, a copy; rows in C order
    """
    data = np.ascontiguousarray(rows).view(np.uint8)
    whole = ceil_divide(data.shape[-1], beat_bytes) * beat_bytes
    padded = np.zeros((*data.shape[:-1], whole), np.uint8)
    padded[..., : data.shape[-1]] = data
    return padded.reshape(-1, beat_bytes)


def from_beats(beats: Beats, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Read rows back, whatever their padding holds.

    beats  (..., W) uint8  exactly those of the rows
    shape  (..., N)        of the result; each of its rows starts on a beat
    ->     shape of dtype, C-contiguous, a copy: a DMA buffer may be written again
    """
    kind = np.dtype(dtype)
    rows = beats.reshape(*shape[:-1], -1)[..., : shape[-1] * kind.itemsize]
    return rows.copy().view(kind)


def check_beats(name: str, beats: Beats, count: int, beat_bytes: int) -> None:
    """Raise ValueError unless `beats` is (count, beat_bytes) uint8."""
    if beats.shape != (count, beat_bytes) or beats.dtype != np.uint8:
        raise ValueError(
            f"packet {name} must be {count} beats of {beat_bytes} uint8 with this config, engine "
            f"and sequence, not {beats.shape} {beats.dtype}: read it from its first beat to TLAST"
        )
