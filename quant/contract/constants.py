"""The constants of a kernel build as (name, value, text): what C++ and SystemVerilog are given."""

from __future__ import annotations

from typing import NamedTuple

from transfab.quant.bert.names import TENSORS
from transfab.quant.config import (
    ACCUMULATOR_BITS,
    CONTEXT_FRACTION_BITS,
    EXPONENTIAL_BITS,
    EXPONENTIAL_ENTRIES,
    GELU_ENTRIES,
    GELU_RANGE,
    MULTIPLIER_BITS,
    NORMALIZED_FRACTION_BITS,
    PRODUCT_BITS,
    LayerConfig,
)
from transfab.quant.contract.packets import PARAMETER_PACKETS, beats_of
from transfab.quant.contract.registers import REGISTERS
from transfab.quant.engine import Engine


class Constant(NamedTuple):
    """A non-negative integer below 2**31 with a name in snake_case and what it is."""

    name: str
    value: int
    text: str


def constants(config: LayerConfig, engine: Engine) -> dict[str, list[Constant]]:
    """All constants of a build but its hash, by a heading; no name comes twice.

    Names are those of the fields and tensors; `exponential_bits` is the signed width of the
    tensor, as that of any other, and `exponential_table_bits` the unsigned width of an entry.
    """
    return {
        "Shapes": _shapes(config, engine),
        "Tiles and packets": _tiles_and_packets(config, engine),
        "Widths and tables": _arithmetic(config),
        "Signed bits that hold each tensor": [
            Constant(f"{name}_bits", info.bits, info.text) for name, info in TENSORS.items()
        ],
    }


def register_offsets() -> list[Constant]:
    """Byte offset of each register."""
    return [Constant(one.name, one.offset, one.text) for one in REGISTERS]


def _shapes(config: LayerConfig, engine: Engine) -> list[Constant]:
    return [
        Constant("hidden", config.hidden, "channels of the residual stream"),
        Constant("heads", config.heads, "attention heads"),
        Constant("head_size", config.head_size, "channels of a head"),
        Constant("inner", config.inner, "feed-forward channels with their copies"),
        Constant("feed_forward", config.feed_forward, "feed-forward channels of the model"),
        Constant("copies", config.copies, "of feed-forward channels"),
        Constant("sequence", engine.sequence, "longest sequence"),
        Constant("residual_bits", config.residual_bits, "of the residual stream"),
    ]


def _tiles_and_packets(config: LayerConfig, engine: Engine) -> list[Constant]:
    made = [Constant("beat_bytes", engine.beat_bytes, "bytes of a beat")]
    for stage in ("qkv", "attention", "intermediate", "output"):
        tile = getattr(engine, stage)
        made.append(Constant(f"{stage}_pe", tile.pe, "output channels of a tile"))
        made.append(Constant(f"{stage}_simd", tile.simd, "products of a channel of a tile"))
    for packet in PARAMETER_PACKETS:
        count = beats_of(config, engine, packet, engine.sequence)
        made.append(Constant(f"{packet}_beats", count, "beats of the packet"))
    return made


def _arithmetic(config: LayerConfig) -> list[Constant]:
    per_unit = GELU_ENTRIES // GELU_RANGE
    return [
        Constant("accumulator_bits", ACCUMULATOR_BITS, "signed, of a projection"),
        Constant("multiplier_bits", MULTIPLIER_BITS, "signed, of a multiplier or gain"),
        Constant("product_bits", PRODUCT_BITS, "signed, of a product and its sum"),
        Constant("mean_shift", config.mean_shift, "after mean_multiplier"),
        Constant("mean_multiplier", config.mean_multiplier, "round(2**mean_shift / hidden)"),
        Constant("exponential_entries", EXPONENTIAL_ENTRIES, "of the exponential table"),
        Constant("exponential_table_bits", EXPONENTIAL_BITS, "unsigned, of an entry"),
        Constant("gelu_entries", GELU_ENTRIES, "of the GELU table"),
        Constant("gelu_entries_per_unit_bits", per_unit.bit_length() - 1, "log2 of entries for 1"),
        Constant("context_fraction_bits", CONTEXT_FRACTION_BITS, "of context_mean"),
        Constant("normalized_fraction_bits", NORMALIZED_FRACTION_BITS, "of normalized"),
    ]
