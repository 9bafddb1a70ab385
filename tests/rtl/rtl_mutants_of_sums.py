"""Broken sums, residual sums and LayerNorm; see `rtl_mutants`."""

from __future__ import annotations

from typing import Final

OUTPUT: Final = {
    "total-in-the-next-sums-bank": (
        "accumulator",
        "total_bank_q <= {{sum_bank_q}};",
        "next_bank_i",
    ),
    "accumulator-stale": (
        "accumulator",
        "start = {{first_q ? '0 : words[sum_bank_q][Bits*p+:Bits]}};",
        "words[sum_bank_q][Bits*p+:Bits]",
    ),
    "gap-dropped-by-depth": (
        "gemm_by_depth",
        "(full && {{gap_q == '0}})",
        "1'b1",
    ),
    "depth-of-the-last-block-whole": (
        "gemm_by_depth",
        "depth_q == DepthBits'({{block_last ? LastDepthTiles - 1 : DepthTiles - 1}});",
        "DepthTiles - 1",
    ),
    "bank-taken-while-it-leaves": ("sum_banks", ": {{!busy_q[next_q]}});", "1'b1"),
    "bank-freed-before-its-last-word-is-taken": (
        "sum_banks",
        "else if ({{word_valid_q && move && leaves_q[b]}}) busy_q",
        "leaves && (leaving.both || leaving.bank == 1'(b))",
    ),
    "sums-leave-before-they-are-added": (
        "row_sums",
        ".written_i({{total_valid && step_q[Latency+1].ends}})",
        "step_i && step_ends_i",
    ),
    "upper-bank-a-row-late": (
        "sum_banks",
        "upper = has_both && {{32'(row) >= Half}};",
        "32'(row) > Half",
    ),
    "banks-not-reset": ("sum_banks", "if ({{!rst_ni}}) begin", "1'b0"),
    "beat-lost-under-a-stall": (
        "stream_buffer",
        "read = count_q != '0 && ({{!out_valid_o || out_ready_i}});",
        "1'b1",
    ),
    "beat-sent-twice-under-a-stall": (
        "distribute",
        "in_ready_o ? '0 : {{taken_q | (out_ready_i & targets)}};",
        "taken_q",
    ),
    "residual-rounds-down": ("residual", "<= {{offset[lane] + half_q}};", "offset[lane]"),
    "constants-of-the-next-sequence": (
        "residual",
        "last_word && row_q == last_row_q) state_q <= {{Drain}};",
        "Idle",
    ),
    "gearbox-word-short-at-a-whole-row": (
        "gearbox",
        "row_ends = {{rest <= SeenBits'(InLanes)}};",
        "rest < SeenBits'(InLanes)",
    ),
    "padding-of-a-row-not-zero": (
        "layernorm",
        "{{ragged_q[Requantized] && lane >= LastLanes}}\n",
        "1'b0",
    ),
    "last-on-every-beat-of-the-last-row": (
        "layernorm",
        "{{last_word && last_row}}};",
        "last_row",
    ),
    "padding-of-the-mask-passed-on": (
        "layernorm",
        "<= {{i < 32'(rows_q) - (32'(row_q) << MaskShift)}}\n",
        "1'b1",
    ),
    "squares-without-a-place": (
        "deviations",
        "mean_valid && {{squared_q != 2'(Slots)}})",
        "1'b1",
    ),
    "high-byte-of-epsilon-dropped": (
        "layernorm",
        "{{scalars[FirstScalar+2][7:0]}}, scalars[",
        "8'd0",
    ),
    "sums-without-a-bank": ("gemm_by_depth", "active_q && {{granted}} &&", "1'b1"),
}
RESIDUAL: Final = {
    "sum-lost-without-skip": (
        "residual",
        "sums_ready_o = state_q == Rows && {{skip_valid_i}} && advance;",
        "1'b1",
    ),
}
LAYERNORM: Final = {
    "deviations-without-room": ("deviations", "issue = {{room_i}} &&", "1'b1"),
    "words-claimed-beyond-room": (
        "word_buffer",
        "room_o = {{count_q != CountBits'(Depth)}};",
        "1'b1",
    ),
}
