"""Leaves of a stage's parameters as the elements of its sections, and back.

Leaves have the names of `quant.parameters.flatten`. *Arranged* leaves are those that sections
name: query, key and value are joined as `heads`, channels in the order head, part, channel of the
part; the attention projection's columns are split by head, and epsilon is two words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import ceil_divide
from transfab.quant.contract.sections import Section
from transfab.quant.intmath import Array

Leaves = Mapping[str, Array]

_PROJECTIONS: Final = ("query", "key", "value")
_JOINED: Final = ("weight", "bias", "requantize.multiplier", "requantize.offset")
_LOW_WORD: Final = (1 << 32) - 1


def arranged(config: LayerConfig, stage_name: str, leaves: Leaves) -> dict[str, Array]:
    """Leaves as the sections of a stage name them, each in some shape of its section's size."""
    made = dict(leaves)
    heads, size = config.heads, config.head_size
    if stage_name == "qkv":
        for leaf in _JOINED:
            parts = [leaves[f"{name}.{leaf}"].reshape(heads, size, -1) for name in _PROJECTIONS]
            made[f"heads.{leaf}"] = np.concatenate(parts, axis=1)
    if stage_name == "attention":
        columns = leaves["projection.weight"].reshape(-1, heads, size)
        made["projection.weight"] = columns.transpose(1, 0, 2)
    if "layernorm.epsilon" in leaves:
        made["layernorm.epsilon_low"] = leaves["layernorm.epsilon"] & _LOW_WORD
        made["layernorm.epsilon_high"] = leaves["layernorm.epsilon"] >> 32
    return made


def disarranged(config: LayerConfig, stage_name: str, made: Leaves) -> dict[str, Array]:
    """The inverse of `arranged`: the leaves of a stage from those that its sections name."""
    leaves = dict(made)
    if config.residual_bits == 8:
        leaves.pop("hidden.shift", None)
    if stage_name == "qkv":
        for leaf in _JOINED:
            joined = leaves.pop(f"heads.{leaf}")
            split = joined.reshape(config.heads, 3, config.head_size, -1)
            for i, name in enumerate(_PROJECTIONS):
                shape = (config.hidden, -1) if leaf == "weight" else (config.hidden,)
                leaves[f"{name}.{leaf}"] = split[:, i].reshape(shape)
    elif stage_name == "attention":
        columns = leaves["projection.weight"].transpose(1, 0, 2)
        leaves["projection.weight"] = columns.reshape(config.hidden, config.hidden)
    else:
        leaves["projection.weight"] = leaves["projection.weight"][0]
    if "layernorm.epsilon_low" in leaves:
        low = leaves.pop("layernorm.epsilon_low") & _LOW_WORD
        leaves["layernorm.epsilon"] = np.asarray(leaves.pop("layernorm.epsilon_high") << 32 | low)
    return leaves


def encode(section: Section, repeat: int, leaves: Leaves) -> Array:
    """The elements of a section: (repeat, runs, elements) of its dtype."""
    shape = (repeat, section.runs, section.elements)
    if section.kind == "scalars":
        # An 8-bit residual has no hidden shift; epsilon's low word may reach the sign bit.
        values = [int(leaves.get(leaf, 0)) for leaf in section.leaves]
        return np.array(values, np.int64).astype(section.dtype).reshape(shape)
    if section.tile is not None:
        (groups, n, pe, k, simd), order = _tile_axes(section)
        matrix = np.zeros((groups, n * pe, k * simd), section.dtype)
        _, channels, depth = section.shape
        matrix[:, :channels, :depth] = leaves[section.leaves[0]].reshape(section.shape)
        return matrix.reshape(groups, n, pe, k, simd).transpose(order).reshape(shape)
    groups, channels = section.shape
    flat = np.zeros((groups, repeat * section.elements // groups), section.dtype)
    for leaf, column in zip(section.leaves, _columns(flat), strict=True):
        if leaf:
            column[:, :channels] = leaves[leaf].reshape(section.shape)
    return flat.reshape(shape)


def decode(section: Section, elements: Array) -> dict[str, Array]:
    """The inverse of `encode`, without what lies beyond a ragged matrix.

    elements  (repeat, runs, elements) of the section's dtype
    ->        vectors (N,), tiles as (groups, N, K), scalars () int64
    """
    if section.kind == "scalars":
        values = elements.reshape(-1).astype(np.int64)
        return {leaf: np.asarray(value) for leaf, value in zip(section.leaves, values, strict=True)}
    if section.tile is not None:
        sizes, order = _tile_axes(section)
        groups, n, pe, k, simd = sizes
        matrix = elements.reshape([sizes[axis] for axis in order]).transpose(np.argsort(order))
        _, channels, depth = section.shape
        whole = matrix.reshape(groups, n * pe, k * simd)[:, :channels, :depth]
        return {section.leaves[0]: whole.astype(np.int8)}
    groups, channels = section.shape
    flat = elements.reshape(groups, -1)[:, :channels]
    return {
        leaf: column.reshape(-1).astype(column.dtype.newbyteorder("="))
        for leaf, column in zip(section.leaves, _columns(flat), strict=True)
        if leaf
    }


def _columns(flat: Array) -> list[Array]:
    """The fields of records, or the one array of anything else."""
    return [flat] if flat.dtype.names is None else [flat[name] for name in flat.dtype.names]


def _tile_axes(section: Section) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes (groups, n, p, k, s) of a padded matrix, and its axes in the order of the stream."""
    assert section.tile is not None
    pe, simd = section.tile.pe, section.tile.simd
    groups, channels, depth = section.shape
    sizes = (groups, ceil_divide(channels, pe), pe, ceil_divide(depth, simd), simd)
    return sizes, (0, 3, 1, 2, 4) if section.kind == "tiles by depth" else (0, 1, 3, 2, 4)
