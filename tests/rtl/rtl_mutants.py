"""Broken modules of `rtl`, by the top and build that show them; `test_mutants_rtl.py` kills them.

Name -> module, text with the changed expression in double braces (or whole statements), new text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from hard_layers import LONGEST
from rtl_mutants_of_heads import ATTENTION, LAYER
from rtl_mutants_of_sums import LAYERNORM, OUTPUT, RESIDUAL
from rtl_mutation import Mutant
from strategies import Shape
from stream_oracle import BUILDS, Build

from transfab.quant.engine import Engine, Tile

QKV: Final = {
    "carry-of-the-packed-product-dropped": (
        "gemm_array",
        "SumBits'(both >>> 18) + {{SumBits'(both[17])}};",
        "SumBits'(0)",
    ),
    "odd-lane-a-bit-low": (
        "gemm_array",
        "27'(shadow_q[(2*p+1)%Pe][i]) <<< {{18}} : 27'sd0",
        "17",
    ),
    "beat-of-the-neighbour-rows": (
        "gemm_array",
        "shadow_q[RowIndexBits'({{32'(write_index_q)*Groups+g}})][i]",
        "(32'(write_index_q)*Groups+g) ^ 1",
    ),
    "tile-a-beat-short": ("tile_loader", "BeatIndexBits'({{Beats - 1}});", "Beats - 2"),
    "shadow-overwritten": ("tile_loader", "weights_ready_o = {{!full_o}};", "1'b1"),
    "loader-not-reset": ("tile_loader", "if ({{!rst_ni}}) begin", "1'b0"),
    "tile-put-in-place-a-row-late": (
        "gemm_by_channel",
        ".row_swap_i({{step_q[Fed].swap}})",
        "step_q[Fed+1].swap",
    ),
    "shadow-freed-before-it-is-in-place": (
        "gemm_by_channel",
        ".swap_i({{step_q[Fed].valid && step_q[Fed].swap}})",
        "issue && starts",
    ),
    "gap-dropped": (
        "gemm_by_channel",
        "full && {{gap_q == '0}} && (!depth_last",
        "1'b1",
    ),
    "turnaround-from-the-first-row": (
        "gemm_by_channel",
        "if (pass_ends) gap_q <= "
        "GapBits'(32'(rows_q) < Turnaround ? Turnaround - 32'(rows_q) : 0);\n"
        "      else if (gap_q != '0) gap_q <= gap_q - 1'b1;",
        "if (issue && starts) gap_q <= GapBits'(Turnaround - 1); "
        "else if (gap_q != '0) gap_q <= gap_q - 1'b1;",
    ),
    "row-read-before-it-is-whole": (
        "gemm_by_channel",
        "active_q && {{row_q < loaded}} &&",
        "row_q <= loaded",
    ),
    "sums-start-stale": ("gemm_by_channel", "first: {{depth_q == '0}},", "1'b0"),
    "slice-of-the-next-depth": (
        "gemm_by_channel",
        "slice: SliceBits'({{32'(depth_q) % Slices}})",
        "(32'(depth_q) + 1) % Slices",
    ),
    "ring-full-ignored": ("row_ring", "in_ready_o = {{held_q != CountBits'(Rows)}};", "1'b1"),
    "ring-never-turns": (
        "row_ring",
        "row = {{around((CountBits + 1)'(base_q) + (CountBits + 1)'(read_row_i))}};",
        "read_row_i",
    ),
    "shifts-of-query-and-key-swapped": (
        "channel_lanes",
        "scalars[{{32'(part)+1}}][5:0]",
        "part == 2'd2 ? 3 : 2 - 32'(part)",
    ),
    "part-begins-a-lane-late": (
        "channel_lanes",
        "if ({{32'(position_q) + p >= edge_at}}) part",
        "32'(position_q) + p > edge_at",
    ),
    "permit-before-the-records": ("channel_lanes", "ready_q <= {{loaded}};", "1'b1"),
    "record-of-the-neighbour-lane": (
        "tile_records",
        "multiplier_o[section_q][PeBits'({{lane}})]",
        "(lane + 1) % Pe",
    ),
    "scalars-read-once-only": (
        "tile_records",
        "state_q <= {{tile_q == TileBits'(Tiles - 1)}} ? StateScalars",
        "1'b0",
    ),
    "block-whole-before-its-last-row": (
        "block_order",
        "whole_q + ({{arrives ? completed_q : '0}}) -",
        "tile_ends ? CountBits'(completed) : '0",
    ),
    "last-on-every-row-of-a-block": (
        "block_order",
        "last_q <= {{block_ends && last_block}};",
        "row_ends && last_block",
    ),
    "mask-beats-of-whole-beats-one-more": (
        "narrow",
        "last_mask = row_q == {{last_row_q >> MaskShift}};",
        "(last_row_q + 1'b1) >> MaskShift",
    ),
    "records-move-under-a-stall": ("record_memory", "if ({{enable_i}}) read_q", "1'b1"),
    "element-lost-when-full": (
        "stream_fifo",
        "in_ready_o = {{count_q != CountBits'(Depth)}};",
        "1'b1",
    ),
    "rounds-down": ("requantize", "<= {{offset_q[lane] + half_q[lane]}};", "offset_q[lane]"),
    "saturates-at-minus-128": (
        "requantize",
        "if ({{shifted < -Limit}}) return",
        "shifted < -Limit - 48'sd1",
    ),
    "starts-again-by-itself": ("control", "start_q <= {{auto_restart_q}};", "1'b1"),
    "idle-while-it-runs": (
        "control",
        "{{running_q == '0 && !start_q}}, done_q",
        "running_q != '0 && !start_q",
    ),
    "done-is-not-counted-down": ("control", "- CountBits'({{continues}});", "1'b0"),
}
ONE_DEPTH: Final = {
    "permit-ignored": ("gemm_by_channel", "(!depth_last || {{permit_valid_i}})", "1'b1"),
    "room-of-a-block-too-many": (
        "block_order",
        "32'(whole_q) + touched <= {{Banks}};",
        "Banks + 1",
    ),
    "bank-after-the-last": ("lane_scatter", "if ({{bank >= Banks}}) bank -= Banks;", "1'b0"),
    "bank-of-a-block-that-goes-on-passed": (
        "block_order",
        "bank_q <= around(32'(bank_q) + {{completed}});",
        "touched",
    ),
}
INTERMEDIATE: Final = {
    "gelu-index-of-a-negative-value": (
        "gelu",
        "index_q[lane] <= {{magnitude(value_i[lane])}} >> shift_i;",
        "value_i[lane]",
    ),
    "gelu-table-beyond-its-end": (
        "gelu",
        "inside_q[lane] <= {{index_q[lane][15:IndexBits] == '0}};",
        "1'b1",
    ),
    "table-an-entry-late": (
        "tile_records",
        "write_index_o = {{entry_q}};",
        "entry_q + 1'b1",
    ),
    "offset-of-the-other-section": (
        "tile_records",
        "offset_o[{{section_q}}][PeBits'(lane)]",
        "section_q + 1'b1",
    ),
    "shift-of-the-projection-twice": (
        "channel_lanes",
        "activation_shift[p] <= {{scalars[2][5:0]}};",
        "scalars[1][5:0]",
    ),
    "lanes-beyond-the-channels-sent": ("block_order", "if ({{last_block_q}}) row &=", "1'b0"),
}
# What a top's own surroundings hide: killed by the bench of a module, whose ports pause apart.
CONTROL: Final = {
    "done-not-counted": (
        "control",
        "done_q <= {{done_q + CountBits'(finished_i) - CountBits'(continues)}};",
        "finished_i ? CountBits'(1) : done_q - CountBits'(continues)",
    ),
    "interrupt-of-what-is-not-enabled": (
        "control",
        "({{events & interrupt_enable_q}});",
        "events",
    ),
    "interrupt-without-the-global-enable": (
        "control",
        "interrupt_o = {{enable_q && interrupt_status_q != '0}};",
        "interrupt_status_q != '0",
    ),
    "status-cleared-and-not-toggled": (
        "control",
        "({{interrupt_status_q ^ toggles}}) |",
        "interrupt_status_q & ~toggles",
    ),
}
ENGINE: Final = {
    "projection-without-a-bank": (
        "attention_feeder",
        "(context_written_q && {{granted_i}})",
        "1'b1",
    ),
}
# Tiles that divide nothing, of each kind more than one, but all channels of the output in one, so
# that a sum's next pass may follow at once.
SMALL: Final = Build(
    Shape(34, 2, 37, 16),
    1,
    Engine(Tile(5, 8), Tile(5, 16), Tile(20, 4), Tile(34, 8), beat_bytes=16, sequence=LONGEST),
)
# One tile deep, so that a tile's last pass follows that of the one before; three parts a tile.
ONE_DEEP: Final = Build(
    Shape(12, 3, 5, 8),
    0,
    Engine(Tile(8, 16), Tile(5, 4), Tile(3, 8), Tile(7, 4), beat_bytes=16, sequence=LONGEST),
)


class Group(NamedTuple):
    """Mutants that are in one model: of this top and build."""

    top: str
    build: Build
    mutants: dict[str, Mutant]


def _group(top: str, build: Build, texts: dict[str, tuple[str, str, str]]) -> Group:
    return Group(top, build, {name: Mutant(*one) for name, one in texts.items()})


GROUPS: Final = {
    "qkv": _group("qkv", SMALL, QKV),
    "qkv one deep": _group("qkv", ONE_DEEP, ONE_DEPTH),
    "output": _group("output", SMALL, OUTPUT),
    "attention": _group("attention", SMALL, ATTENTION),
    "intermediate": _group("intermediate", SMALL, INTERMEDIATE),
    "layer": _group("layer", ONE_DEEP, LAYER),
}
HEADS: Final = replace(BUILDS[0], engine=replace(BUILDS[0].engine, sequence=21))
# Rows of so many words that a few of them fill what waits for its factor.
LONG_ROWS: Final = replace(BUILDS[0], shape=replace(BUILDS[0].shape, hidden=198))
# Module whose bench kills them -> its parameters, its build, its mutants.
BENCHED: Final = {
    "control": ({}, BUILDS[4], CONTROL),
    "residual": ({"Scalars": 7, "ResidualScalars": 2}, BUILDS[0], RESIDUAL),
    "layernorm": ({"Scalars": 5, "FirstScalar": 2}, LONG_ROWS, LAYERNORM),
    "attention_engine": ({}, HEADS, ENGINE),
}
# In every run of the tests; the others only when slow tests run as well.
EVERY_RUN: Final = {"qkv", "qkv one deep", "output", "attention"}
