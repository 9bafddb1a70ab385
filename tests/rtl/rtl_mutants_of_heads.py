"""Broken modules of stage 2, and of what joins stages; see `rtl_mutants`."""

from __future__ import annotations

from typing import Final

ATTENTION: Final = {
    "mask-ignored": ("softmax_parameters", "flags[i] = {{beat[8*i]}} &&", "1'b1"),
    "keys-beyond-the-sequence-allowed": (
        "softmax_parameters",
        "{{first_key + i <= last_key}};",
        "1'b1",
    ),
    "rows-wait-without-a-place": (
        "softmax",
        "advance && {{waiting_q != WaitingBits'(Waiting)}};",
        "1'b1",
    ),
    "maximum-of-the-row-before": (
        "row_maximum",
        "({{begins_2q}} || largest_2q > running_3q)",
        "1'b0",
    ),
    "maxima-without-a-place": (
        "row_maximum",
        "&& {{rows_q != RowBits'(Rows)}};",
        "1'b1",
    ),
    "multiplier-of-the-next-head": (
        "softmax",
        "multiplier[{{out_head}}];",
        "32'(out_head) == Heads - 1 ? 0 : 32'(out_head) + 1",
    ),
    "planes-swapped": (
        "attention_engine",
        "({{step_q[Fed].upper?PlaneBits : 0}})",
        "step_q[Fed].upper ? 0 : PlaneBits",
    ),
    "upper-plane-not-shifted": (
        "accumulator",
        "sum   = {{shift_q}} ?",
        "1'b0",
    ),
    "gap-dropped-between-planes": (
        "attention_feeder",
        "(!starts || {{gap_q == '0}})",
        "1'b1",
    ),
    "turnaround-of-a-row-less": (
        "attention_feeder",
        "Turnaround ? {{Turnaround - 32'(job_q.rows)}} : 0",
        "2 - 32'(job_q.rows)",
    ),
    "keys-read-before-they-are-whole": (
        "attention_scheduler",
        "{{key_loaded_i >= scores_rows_q}};",
        "1'b1",
    ),
    "values-read-before-they-are-whole": (
        "attention_scheduler",
        "{{value_loaded_i >= context_rows_q}} &&",
        "1'b1",
    ),
    "projection-before-its-context": (
        "attention_feeder",
        "({{context_written_q}} && granted_i)",
        "1'b1",
    ),
    "every-head-starts-the-sums": (
        "attention_feeder",
        "feed_o.first = {{job_q.first_head}} && outer_q == '0;",
        "1'b1",
    ),
    "scores-freed-at-their-last-read": (
        "score_rows",
        "if (tile_last && row_last) reading_q <= 1'b0;",
        "if (tile_last && row_last) begin reading_q <= 1'b0; free_o <= 1'b1; end",
    ),
    "scores-read-before-they-are-added": (
        "score_rows",
        "if ({{total_valid && ends_q[1]}}) reading_q <= 1'b1;",
        "next_valid_i && next_ends_i",
    ),
    "next-head-into-whole-exponentials": (
        "exponential_rows",
        "active_q && {{!whole_q}} && !full_o;",
        "1'b1",
    ),
    "full-before-the-last-scale": (
        "exponential_rows",
        "scale_last = {{32'(scale_row_q) + 1}} ==",
        "32'(scale_row_q) + 2",
    ),
    "values-beyond-the-sequence-stale": (
        "attention_loader",
        "if ({{step_q[Latency-1].in_rows}}) begin",
        "1'b1",
    ),
    "padding-of-keys-counted": (
        "attention_loader",
        "if ({{step_q[Latency-1].tile == LoopBits'(DepthTiles - 1)}}) begin",
        "1'b0",
    ),
    "tile-whole-before-its-last-read": (
        "attention_loader",
        "if (tile_ends && kind_q != JobProjection) filling_q <= 1'b1;",
        "",
    ),
    "record-of-the-next-channel": (
        "context_rows",
        "lane_multiplier_q[p] <= multiplier[0][{{channel%HeadSize}}];",
        "(channel + 1) % HeadSize",
    ),
    "context-shift-of-the-scores": (
        "context_rows",
        "scalars[{{ContextShift}}][5:0]",
        "0",
    ),
    "scale-of-the-next-step": (
        "context_rows",
        "scale_row_o = {{step_q[0].row}};",
        "next_row_i",
    ),
    "mask-of-whole-beats-one-more": (
        "mask_fork",
        "{{covered_q + BeatBytes >= 32'(rows_data_i)}};",
        "covered_q + BeatBytes > 32'(rows_data_i)",
    ),
    "sum-of-the-row-before": (
        "row_scale",
        "total_q <= {{sum_begins_q}} ?",
        "1'b0",
    ),
    "division-ends-a-digit-early": ("reciprocal", "step_q == 5'({{Digits - 1}});", "Digits - 2"),
    "root-rounds-up": (
        "root",
        "root_o  <= {root_o[15:0], {{rest >= trial}}};",
        "rest + 1 >= trial",
    ),
}
LAYER: Final = {
    "fork-sends-twice-under-a-stall": (
        "stream_fork",
        "in_ready_o ? '0 : {{taken_q | out_ready_i}};",
        "taken_q",
    ),
    "fork-waits-for-nobody": (
        "stream_fork",
        "in_ready_o  = {{&(taken_q | out_ready_i)}};",
        "|out_ready_i",
    ),
    "lengths-in-another-order": (
        "rows_fork",
        ".in_data_i  ({{rows_data_i}}),",
        "rows_data_o[0]",
    ),
    "head-ends-a-part-early": (
        "head_split",
        "head_ends = part_ends && part_q == {{2'd2}};",
        "2'd1",
    ),
    "done-without-a-last-beat": (
        "layer",
        "finished = {{output_TVALID && output_TREADY && output_TLAST}};",
        "output_TVALID && output_TREADY",
    ),
}
