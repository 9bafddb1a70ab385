"""What is proved of the modules inside the stages' cores: rows, records and the two products."""

from __future__ import annotations

from typing import Final

from transfab.rtl.formal.prove import Proof

# Arithmetic of data, not that of indices in the properties; with it, what memories give.
PRODUCTS: Final = "t:$mul r:Y_WIDTH>=33 %i"
DATA: Final = f"{PRODUCTS} t:$sshr"
WIDE: Final = f"{DATA} t:$mem_v2"

INNER: Final = (
    Proof(
        "row_scale",
        "each row's sum divided once, in order; its queue has room; a scale a row, stable",
        parts=("stream_fifo",),
        parameters={"Lanes": 3, "Waiting": 3},
    ),
    Proof(
        "parameter_reader",
        "each beat once to its section and place; the scalars are those read last",
        parameters={"Lanes": 3, "Scalars": 7, "Sections": 2},
        constants={"BeatBytes": 16, "Hidden": 7},
    ),
    Proof(
        "softmax_parameters",
        "each beat once, in order; multipliers, table and mask are those read last",
        constants={"BeatBytes": 16, "Heads": 5, "Sequence": 20, "ExponentialEntries": 16},
    ),
    *(
        Proof(
            "tile_records",
            "a tile loaded after exactly its beats, until its release; holds what was read last",
            name=f"tile_records of {entries or 'no'} entries",
            parameters={"Pe": 3, "Tiles": 3, "Sections": 2, "Scalars": 16, "Entries": entries},
            constants={"BeatBytes": 32},
            slow=True,
        )
        for entries in (0, 20)
    ),
    Proof(
        "row_maximum",
        "words in order, a row's largest allowed score; read after written; its queue has room",
        parts=("stream_fifo",),
        parameters={"Lanes": 2, "Groups": 2},
        constants={"ScoresBits": 4},
    ),
    Proof(
        "exponential_rows",
        "a head's rows and scales once each, then full; a read gives what entered",
        constants={
            "AttentionSimd": 16,
            "ExponentialTableBits": 2,
            "Heads": 2,
            "Sequence": 19,
        },
        slow=True,
    ),
    Proof(
        "score_rows",
        "a head's words read once, in order, all added; free when all have left; scores stable",
        parts=("gearbox",),
        slow=True,
        constants={"AttentionPe": 3, "AttentionSimd": 2, "Sequence": 5},
    ),
    *(
        Proof(
            "channel_lanes",
            claim,
            name=f"channel_lanes of {kind}",
            binding=f"channel_lanes_{kind}",
            parameters={"Pe": 3, "Channels": 8, "Block": 2, "Activation": activation},
            constants={"GeluEntries": 4, "Sequence": 5},
            cut=WIDE,
        )
        for kind, activation, claim in (
            ("parts", 0, "a permit a tile; rows leave in order, in time, under their part's shift"),
            ("activation", 1, "a permit a tile; rows leave in order, in time, records loaded"),
        )
    ),
    Proof(
        "context_rows",
        "each sum written once; a read gives its byte, zero beyond the head; records stand",
        constants={"AttentionPe": 3, "AttentionSimd": 2, "HeadSize": 5, "Sequence": 3},
        cut=DATA,
    ),
    Proof(
        "row_sums",
        "no sum goes to a bank that is read; a sequence is read when all is added; sums in order",
        parts=("sum_banks", "stream_fifo"),
        parameters={"Pe": 1, "Tiles": 2, "DotBits": 3},
        constants={"Sequence": 5, "AccumulatorBits": 3},
    ),
    Proof(
        "gemm_by_channel",
        "a row a tile and depth, in order; sums in order, in time, a permit a tile; weights whole",
        parts=("row_ring", "tile_loader"),
        parameters={"Pe": 3, "Simd": 1, "Depth": 3, "Channels": 5},
        constants={"BeatBytes": 2, "Sequence": 4},
        cut=PRODUCTS,
    ),
    Proof(
        "gemm_by_depth",
        "a row a block, depth and tile, in order; weights whole; sums as in row_sums, stable",
        parts=("row_ring", "tile_loader", "row_sums", "sum_banks", "stream_fifo"),
        parameters={
            "Pe": 3,
            "Simd": 1,
            "Channels": 5,
            "Block": 3,
            "Blocks": 2,
            "LastBlock": 2,
        },
        constants={"BeatBytes": 2, "Sequence": 4, "AccumulatorBits": 3},
        slow=True,
        cut=PRODUCTS,
    ),
    Proof(
        "norm_end",
        "mask and rows of a packet leave, each beat once; a row's sums are its words; stable",
        parts=("residual", "layernorm"),
        parameters={"Pe": 3},
        constants={"Hidden": 10, "Sequence": 20},
        slow=True,
        cut=WIDE,
    ),
    Proof(
        "attention_feeder",
        "a job's rows, pass by pass, once each, in order; each tile once, when it is there",
        constants={
            "AttentionPe": 3,
            "AttentionSimd": 2,
            "HeadSize": 5,
            "Hidden": 7,
            "Sequence": 5,
        },
    ),
    Proof(
        "attention_loader",
        "a tile's rows, columns and beats written once, in order, then full; rows read while held",
        parts=("row_ring",),
        slow=True,
        constants={
            "AttentionPe": 3,
            "AttentionSimd": 2,
            "BeatBytes": 4,
            "HeadSize": 5,
            "Hidden": 7,
            "Sequence": 5,
        },
    ),
    Proof(
        "attention_engine",
        "each tile put in place once, whole, not written over before; scores and sums stable",
        constants={
            "AttentionPe": 3,
            "AttentionSimd": 2,
            "BeatBytes": 16,
            "HeadSize": 5,
            "Hidden": 7,
            "Sequence": 5,
        },
        slow=True,
        cut=DATA,
    ),
)
