"""Broken kernels, each by one text of one header; `test_mutants_hls.py` kills them.

A mutant is compiled with the one top that it breaks, in the one build that shows it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from mutants_of_products import (
    BLOCKS,
    GELU,
    GEMM,
    INTERMEDIATE,
    QKV,
    RECORDS,
    REQUANTIZE,
    STREAM,
    TYPES,
)
from mutants_of_rows import (
    ATTENTION,
    CONTEXT,
    LAYER,
    LAYERNORM,
    OUTPUT,
    RESIDUAL,
    SCORES,
    SOFTMAX,
)

KERNELS, INCLUDE = "kernels", "include"


class Mutant(NamedTuple):
    """File below hls, old text, new text, the top that shows it and the build (`hard_layers`)."""

    file: str
    old: str
    new: str
    top: str
    build: str = "ragged"


FILES: Final = {
    f"{INCLUDE}/types.hpp": TYPES,
    f"{INCLUDE}/stream.hpp": STREAM,
    f"{KERNELS}/records.hpp": RECORDS,
    f"{KERNELS}/requantize.hpp": REQUANTIZE,
    f"{KERNELS}/gemm.hpp": GEMM,
    f"{KERNELS}/qkv.hpp": QKV,
    f"{KERNELS}/blocks.hpp": BLOCKS,
    f"{KERNELS}/scores.hpp": SCORES,
    f"{KERNELS}/softmax.hpp": SOFTMAX,
    f"{KERNELS}/context.hpp": CONTEXT,
    f"{KERNELS}/attention.hpp": ATTENTION,
    f"{KERNELS}/residual.hpp": RESIDUAL,
    f"{KERNELS}/layernorm.hpp": LAYERNORM,
    f"{KERNELS}/gelu.hpp": GELU,
    f"{KERNELS}/intermediate.hpp": INTERMEDIATE,
    f"{KERNELS}/layer.hpp": LAYER,
    f"{KERNELS}/output.hpp": OUTPUT,
}
MUTANTS: Final = {
    f"{file.partition('/')[2].partition('.')[0]}-{name}": Mutant(file, *texts)
    for file, group in FILES.items()
    for name, texts in group.items()
}
# Widths one bit short of what a small layer reaches: native types hold more and do not show it.
WIDTHS: Final = {
    "accumulator": (
        f"{KERNELS}/qkv.hpp",
        "Int<27> total = Int<27>(",
        "Int<26> total = Int<26>(",
        "qkv",
    ),
    "residual-product": (
        f"{KERNELS}/residual.hpp",
        "RoundShift<48>(Int<48>(both",
        "RoundShift<47>(Int<47>(both",
        "output",
    ),
    "squares": (
        f"{KERNELS}/layernorm.hpp",
        "UInt<44> squares = epsilon",
        "UInt<40> squares = epsilon",
        "output",
    ),
    "context-mean": (
        f"{KERNELS}/softmax.hpp",
        "return Int<24>(Round",
        "return Int<23>(Round",
        "attention",
    ),
    "row-reciprocal": (
        f"{KERNELS}/softmax.hpp",
        "  Int<18> reciprocal;",
        "  Int<17> reciprocal;",
        "attention",
    ),
    "narrow-context": (
        f"{KERNELS}/softmax.hpp",
        "Int<27> narrow = Int<27>(",
        "Int<26> narrow = Int<26>(",
        "attention",
    ),
    "drop": (f"{KERNELS}/layernorm.hpp", "  Int<6> drop;", "  Int<4> drop;", "output"),
}
WIDTH_MUTANTS: Final = {name: Mutant(*texts) for name, texts in WIDTHS.items()}

# Killed in every run of the tests; the others only when slow tests run as well.
EVERY_RUN: Final = {
    "types-shift-truncates",
    "types-clamp-at-minus-128",
    "types-clamp-at-minus-129-then-cast",
    "types-clamp-wraps-upwards",
    "stream-padding-is-not-zero",
    "records-multiplier-from-the-bias",
    "records-last-value-not-read",
    "requantize-offset-dropped",
    "requantize-narrow-by-the-next-shift",
    "gemm-sums-start-stale",
    "gemm-by-channel-buffer-turns-with-n",
    "gemm-by-channel-a-depth-tile-short",
    "gemm-by-depth-buffer-never-turns",
    "gemm-by-depth-starts-every-block",
    "gemm-tile-longer-than-few-rows-cut",
    "gemm-operand-unsigned",
    "qkv-shift-of-the-tiles-first-channel",
    "qkv-shifts-of-key-and-value-swapped",
    "qkv-tiles-end-at-heads",
    "blocks-ring-slot-off-by-one",
    "blocks-ring-a-slot-short",
    "blocks-lanes-beyond-the-channels-sent",
    "blocks-beats-of-a-row-alike",
    "blocks-last-a-block-early",
    "scores-scores-of-the-first-keys",
    "scores-padding-of-query-and-key-counted",
    "layernorm-padding-of-the-mask-passed-on",
    "softmax-maximum-over-masked-keys",
    "softmax-mask-ignored",
    "softmax-last-entry-never-used",
    "softmax-argmax",
    "softmax-pre-shift-missing",
    "softmax-reciprocal-of-the-whole-power",
    "context-keys-beyond-the-sequence-stale",
    "context-scale-of-the-first-row",
    "residual-skip-added-twice",
    "residual-skip-not-added",
    "residual-residual-in-int8",
    "residual-mask-not-forwarded",
    "layernorm-mean-truncates",
    "layernorm-epsilon-dropped",
    "layernorm-variance-in-int16",
    "layernorm-drop-sign",
    "layernorm-last-on-the-mask",
    "layernorm-root-rounds-up",
    "gelu-gelu-index-off-by-one",
    "layer-fork-without-the-mask",
    "output-last-block-of-the-output-whole",
}
assert set(MUTANTS) >= EVERY_RUN
