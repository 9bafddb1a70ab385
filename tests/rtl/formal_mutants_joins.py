"""Planted bugs of what joins other modules, and of stage 2's schedule, for `test_formal.py`."""

from __future__ import annotations

from typing import Final

from formal_mutants import Mutant

MUTANTS: Final = (
    Mutant(
        "channel_stage",
        "a permit of the lanes alone",
        "lanes_permit && order_permit",
        "lanes_permit",
    ),
    Mutant(
        "channel_stage",
        "weights' queue takes what the records' does",
        ".in_valid_i (section_valid[Weights]),",
        ".in_valid_i (section_valid[Records]),",
    ),
    Mutant(
        "channel_stage",
        "the order takes the product's lengths",
        ".rows_data_i(rows[2]),",
        ".rows_data_i(rows[1]),",
    ),
    Mutant(
        "qkv",
        "a sequence ends before its last beat is taken",
        "qkv_TVALID && qkv_TREADY && qkv_TLAST;",
        "qkv_TVALID && qkv_TLAST;",
        reach=18,
    ),
    Mutant(
        "attention",
        "every beat ends a sequence",
        "attention_output_TVALID && attention_output_TREADY && attention_output_TLAST;",
        "attention_output_TVALID && attention_output_TREADY;",
    ),
    Mutant(
        "intermediate",
        "moves on without ready",
        ".blocks_ready_i(intermediate_TREADY),",
        ".blocks_ready_i(1'b1),",
    ),
    Mutant(
        "output_stage",
        "no last beat",
        ".out_last_o(output_TLAST),",
        ".out_last_o(),",
    ),
    Mutant(
        "board_a",
        "stage 2 takes the lengths of stage 1",
        ".rows_valid_i(stage_rows_valid[1]),",
        ".rows_valid_i(stage_rows_valid[0]),",
        reach=10,
    ),
    Mutant(
        "board_b",
        "the skip packet goes as stage 3 takes it",
        ".skip_valid_i(forked_valid[1]),",
        ".skip_valid_i(forked_valid[0]),",
        reach=6,
    ),
    Mutant(
        "layer",
        "the skip packet goes as stage 3 takes it",
        ".skip_valid_i(forked_valid[1]),",
        ".skip_valid_i(forked_valid[0]),",
        reach=10,
    ),
    Mutant(
        "output_core",
        "the product takes the lengths of LayerNorm",
        ".rows_valid_i(rows_valid[0]),",
        ".rows_valid_i(rows_valid[2]),",
    ),
    Mutant(
        "output_core",
        "LayerNorm takes no parameters",
        "({section_valid[Norm], section_valid[Residual]}),",
        "({1'b0, section_valid[Residual]}),",
    ),
    Mutant(
        "attention_core",
        "the softmax takes the records' beats",
        ".parameters_valid_i(section_valid[Softmax]),",
        ".parameters_valid_i(section_valid[Records]),",
        reach=4,
    ),
    Mutant(
        "attention_core",
        "the masks' queue takes the whole skip packet",
        ".in_valid_i (waits_valid),",
        ".in_valid_i (queue_valid),",
        reach=6,
    ),
    Mutant(
        "attention_scheduler",
        "a head's exponentials serve twice",
        " && !exponentials_used_q",
        "",
        reach=0,
    ),
    Mutant(
        "attention_scheduler",
        "scores between a context and its projection",
        "if (projects_q) job.kind = JobProjection;",
        "if (projects_q && !scores_possible) job.kind = JobProjection;",
    ),
)
