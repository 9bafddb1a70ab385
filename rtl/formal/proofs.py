"""What is proved of which module, in which sizes."""

from __future__ import annotations

from typing import Final

from transfab.rtl.formal.inner import INNER, WIDE
from transfab.rtl.formal.joins import JOINS
from transfab.rtl.formal.prove import Proof

QUEUE: Final = "output stable; every element leaves once, unchanged, in order"
SMALL: Final = {"Width": 2, "Depth": 3}

PROOFS: Final = (
    Proof("stream_fifo", QUEUE, parameters=SMALL),
    Proof("stream_buffer", QUEUE, parameters=SMALL),
    Proof(
        "word_buffer", "words read once, in order; room for all that is claimed", parameters=SMALL
    ),
    Proof(
        "stream_fork",
        "each output takes each element once; valid stable",
        parameters={"Outputs": 3},
    ),
    Proof(
        "rows_fork",
        "each output a queue of all lengths, in order",
        parts=("stream_fork", "stream_fifo"),
        parameters={"Outputs": 2, "Depth": 2},
    ),
    Proof(
        "tile_loader",
        "full after exactly its beats; nothing written until the swap",
        parameters={"Pe": 3, "Simd": 16},
    ),
    Proof(
        "distribute",
        "beat n goes once to each output of its section and to no other",
        top="distribute_case",
    ),
    Proof(
        "head_split",
        "beat n goes once to its part; valid stable",
        constants={"Sequence": 3, "Heads": 2, "HeadSize": 3, "Hidden": 6, "BeatBytes": 2},
    ),
    Proof(
        "mask_fork",
        "each beat to the packet once, the mask's to the mask once; valid stable",
        constants={"Sequence": 5, "Hidden": 3, "ResidualBits": 8, "BeatBytes": 2},
    ),
    Proof(
        "row_ring",
        "a read gives the beat that entered; none overwritten before its reads are done",
        parameters={"Rows": 3, "RowBeats": 2},
        constants={"BeatBytes": 1},
    ),
    *(
        Proof(
            "gearbox",
            "output stable; element r in lane r % Out of word r / Out; the rest zero",
            name=f"gearbox {one} to {other}",
            parameters={"InLanes": one, "OutLanes": other, "Width": 2, "Total": 7},
        )
        for one, other in ((2, 3), (4, 2), (2, 4), (3, 1))
    ),
    Proof(
        "control",
        "one response an access; responses and rows stable",
    ),
    Proof("root", "floor(sqrt(value)) of every value (with a lemma); stable; one a value"),
    Proof(
        "reciprocal",
        "floor((2**(16 + bits) - 1) / value) of every value (with a lemma); stable",
    ),
    *(
        Proof(
            "requantize",
            "rounded half up and saturated, of every value and shift",
            name=f"requantize to {bits}",
            parameters={"Lanes": 1, "OutBits": bits},
        )
        for bits in (8, 16)
    ),
    Proof(
        "gelu",
        "max(x, 0) less its entry, of every x and shift",
        constants={"GeluEntries": 4},
    ),
    # Of four products, z3 does not finish within 20 minutes: the lemma is about those.
    Proof(
        "gemm_array",
        "packed: the sums of two products of two channels, given the products",
        parameters={"Pe": 2, "Simd": 2},
        cut="t:$mul",
    ),
    Proof(
        "row_factor",
        "a factor a row; the queue of shifts never overflows; output stable",
        parts=("stream_fifo",),
        parameters={"RowsBits": 2},
    ),
    Proof(
        "deviations",
        "queues without back-pressure never overflow; squares stable",
        parts=("stream_fifo",),
        constants={"Hidden": 20},
        cut=WIDE,
    ),
    *(
        Proof(
            "narrow",
            claim,
            name=f"narrow int{bits}",
            binding=f"narrow_int{bits}",
            constants={"ResidualBits": bits, "Hidden": hidden, "Sequence": 20},
            cut=WIDE,
        )
        for bits, hidden, claim in (
            (8, 21, "mask dropped, every beat once, as it came; output stable"),
            (16, 21, "mask dropped, two words a beat, none lost or invented; output stable"),
        )
    ),
    Proof(
        "residual",
        "mask passed, a word of totals for each of sums and skip; outputs stable",
        constants={"Hidden": 12, "Sequence": 20},
        cut=WIDE,
    ),
    Proof(
        "layernorm",
        "mask and rows of a packet leave, each beat once, the last one marked; output stable",
        constants={"Hidden": 20, "Sequence": 20},
        slow=True,
        cut=WIDE,
    ),
    Proof(
        "softmax",
        "a word for each word read; the queue of row sums never overflows; outputs stable",
        parts=("row_scale", "stream_fifo"),
        constants={"AttentionSimd": 2, "ExponentialEntries": 8},
        cut=WIDE,
    ),
    Proof(
        "sum_banks",
        "sequences inside share no bank; read where written; every word once, in order",
        parts=("stream_fifo",),
        parameters={"Pe": 1, "Tiles": 3, "SumBits": 2},
        constants={"Sequence": 5},
    ),
    *(
        Proof(
            "block_order",
            "no block written over before it has left; its queue has room; output stable",
            name=f"block_order {pe} by {block}",
            parts=("stream_fifo",),
            parameters={"Pe": pe, "Block": block, "Channels": channels},
            constants={"Sequence": 3, "BeatBytes": 2},
        )
        for pe, block, channels in ((2, 3, 7), (5, 2, 12))
    ),
    *INNER,
    *JOINS,
)
