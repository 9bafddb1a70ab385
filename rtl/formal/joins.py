"""What is proved of what joins other modules, contracts in their place, and of the schedule."""

from __future__ import annotations

from typing import Final

from transfab.rtl.formal.prove import Proof

TOP: Final = "streams and responses stable; packets of their start's length, TLAST on the last beat"
# Heads of two rows' parts, rows of two beats.
LAYER: Final = {
    "Sequence": 2,
    "Hidden": 4,
    "Heads": 2,
    "HeadSize": 2,
    "Inner": 5,
    "ResidualBits": 8,
    "BeatBytes": 2,
    "AttentionSimd": 1,
}

JOINS: Final = (
    Proof(
        "channel_stage",
        "permits, tiles and beats between its units kept; packets of their length; stable",
        depth=2,
        apart=True,
        slow=True,
        contracts=("narrow", "gemm_by_channel", "channel_lanes", "block_order"),
        keeps=True,
        parameters={"Pe": 2, "Simd": 1, "Channels": 6, "Block": 2},
        constants={"Sequence": 3, "Hidden": 3, "ResidualBits": 8, "BeatBytes": 2},
    ),
    *(
        Proof(
            top,
            TOP,
            parts=("control",),
            contracts=(stage,),
            constants=LAYER,
        )
        for top, stage in (
            ("qkv", "channel_stage"),
            ("attention", "attention_core"),
            ("intermediate", "channel_stage"),
            ("output_stage", "output_core"),
        )
    ),
    *(
        Proof(
            top,
            TOP,
            parts=("control",),
            contracts=stages,
            constants=LAYER | sizes,
            apart=True,
            slow=True,
        )
        # Beats are counted modulo 256: fewer of a row where there are more stages.
        for top, stages, sizes in (
            ("board_a", ("channel_stage", "attention_core"), {}),
            ("board_b", ("channel_stage", "output_core"), {}),
            (
                "layer",
                ("channel_stage", "attention_core", "output_core"),
                {"Hidden": 2, "Heads": 1},
            ),
        )
    ),
    Proof(
        "output_core",
        "packets of their length when their data are in; nothing lost or invented; stable",
        contracts=("gemm_by_depth", "norm_end"),
        keeps=True,
        constants=LAYER | {"OutputPe": 3},
        apart=True,
        slow=True,
    ),
    Proof(
        "attention_core",
        "packets of their length when their data are in; nothing lost or invented; stable",
        depth=2,
        binding="attention_core_bound",
        contracts=("attention_engine", "softmax", "norm_end"),
        keeps=True,
        constants=LAYER | {"AttentionPe": 3},
        apart=True,
        slow=True,
    ),
    Proof(
        "attention_scheduler",
        "Heads of each job a length, a projection behind each context; jobs stable, once, in order",
        parts=("stream_fifo",),
        constants={"Heads": 3, "Sequence": 5},
    ),
)
