"""The sections of the four parameter packets, described once (docs/stage_contract.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from transfab.quant.config import EXPONENTIAL_ENTRIES, GELU_ENTRIES, LayerConfig
from transfab.quant.contract.beats import ceil_divide
from transfab.quant.contract.sections import Block, Section
from transfab.quant.engine import Engine, Tile

SUM_AND_NORM_SCALARS: Final = (
    "projection.shift",
    "projection.skip_shift",
    "layernorm.shift",
    "layernorm.epsilon_low",
    "layernorm.epsilon_high",
)


def parameter_blocks(config: LayerConfig, engine: Engine, stage_name: str) -> tuple[Block, ...]:
    """The blocks of `{stage_name}_parameters` in order.

    stage_name  qkv, attention, intermediate or output

    Raises ValueError for another stage.
    """
    if stage_name not in _STAGES:
        raise ValueError(f"stage must be one of {', '.join(_STAGES)}, not {stage_name}")
    return _STAGES[stage_name](config, engine)


def parameter_beats(config: LayerConfig, engine: Engine, stage_name: str) -> int:
    """Beats of `{stage_name}_parameters`; ValueError for another stage."""
    blocks = parameter_blocks(config, engine, stage_name)
    return sum(block.beats(engine.beat_bytes) for block in blocks)


def _qkv(config: LayerConfig, engine: Engine) -> tuple[Block, ...]:
    shifts = (f"{name}.requantize.shift" for name in ("query", "key", "value"))
    return (
        Block(1, (_scalars("hidden.shift", *shifts), *_hidden(config))),
        _by_channel(engine.qkv, 3 * config.hidden, config.hidden, "heads"),
    )


def _attention(config: LayerConfig, engine: Engine) -> tuple[Block, ...]:
    heads, size, entries = config.heads, config.head_size, EXPONENTIAL_ENTRIES
    first = (
        _scalars("scores_shift", "context.shift", *SUM_AND_NORM_SCALARS),
        Section("scores", "multipliers", ("scores_multiplier",), (1, heads), heads),
        Section("exponentials", "table", ("exponential_table",), (1, entries), entries),
    )
    weights = _by_depth(engine.attention, (heads, config.hidden, size))
    per_head = (_requantize("context", (heads, size), size), weights)
    return Block(1, first), Block(heads, per_head), _sum_and_norm(config)


def _intermediate(config: LayerConfig, engine: Engine) -> tuple[Block, ...]:
    shifts = ("hidden.shift", "projection.requantize.shift", "activation.shift")
    gelu = Section("gelu", "table", ("gelu_table",), (1, GELU_ENTRIES), GELU_ENTRIES)
    return (
        Block(1, (_scalars(*shifts, "fraction_bits"), gelu, *_hidden(config))),
        _by_channel(engine.intermediate, config.inner, config.hidden, "projection", "activation"),
    )


def _output(config: LayerConfig, engine: Engine) -> tuple[Block, ...]:
    weights = _by_depth(engine.output, (1, config.hidden, config.inner))
    return Block(1, (_scalars(*SUM_AND_NORM_SCALARS), weights)), _sum_and_norm(config)


_STAGES: Final[dict[str, Callable[[LayerConfig, Engine], tuple[Block, ...]]]] = {
    "qkv": _qkv,
    "attention": _attention,
    "intermediate": _intermediate,
    "output": _output,
}


def _scalars(*leaves: str) -> Section:
    return Section("scalars", "scalars", leaves, (), len(leaves))


def _requantize(name: str, shape: tuple[int, int], elements: int) -> Section:
    leaves = ("", f"{name}.multiplier", f"{name}.offset")
    return Section(name, "requantize", leaves, shape, elements)


def _hidden(config: LayerConfig) -> tuple[Section, ...]:
    """Narrows the residual stream to int8: nothing to do when it has 8 bits."""
    size = config.hidden
    return (_requantize("hidden", (1, size), size),) if config.residual_bits == 16 else ()


def _by_channel(tile: Tile, channels: int, depth: int, linear: str, *then: str) -> Block:
    """For each n: PE channel records, PE requantize records of `then`, tiles (n, 0), (n, 1) ..."""
    names = (f"{linear}.bias", f"{linear}.requantize.multiplier", f"{linear}.requantize.offset")
    sections = (
        Section("channels", "channel", names, (1, channels), tile.pe),
        *(_requantize(name, (1, channels), tile.pe) for name in then),
        Section(
            "weights",
            "tiles by channel",
            (f"{linear}.weight",),
            (1, channels, depth),
            tile.bytes,
            ceil_divide(depth, tile.simd),
            tile,
        ),
    )
    return Block(ceil_divide(channels, tile.pe), sections)


def _by_depth(tile: Tile, shape: tuple[int, int, int]) -> Section:
    """For each k: the tiles (0, k), (1, k) ..."""
    _, channels, depth = shape
    runs = ceil_divide(channels, tile.pe) * ceil_divide(depth, tile.simd)
    leaves = ("projection.weight",)
    return Section("weights", "tiles by depth", leaves, shape, tile.bytes, runs, tile)


def _sum_and_norm(config: LayerConfig) -> Block:
    size = config.hidden
    sums = ("projection.bias", "projection.multiplier", "projection.offset")
    norm = ("projection.skip_multiplier", "layernorm.gain", "layernorm.offset")
    return Block(
        1,
        (
            Section("residual", "residual", sums, (1, size), size),
            Section("norm", "norm", norm, (1, size), size),
        ),
    )
