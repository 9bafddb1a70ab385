"""Planted bugs: text of a module, what it becomes, and the proof that must see it from reset on."""

from __future__ import annotations

from typing import Final, NamedTuple


class Mutant(NamedTuple):
    """`right` stands once in `module` and becomes `wrong`: `proof` fails.

    reach  cycles from reset on in which it does; 0: only its induction fails, as what would show
           the bug comes after a long packet of parameters
    """

    proof: str
    bug: str
    right: str
    wrong: str
    module: str = ""
    reach: int = 12

    @property
    def file(self) -> str:
        return self.module or self.proof.split()[0]


MUTANTS: Final = (
    Mutant(
        "stream_fifo",
        "takes an element when full",
        "assign in_ready_o = count_q != CountBits'(Depth);",
        "assign in_ready_o = 1'b1;",
    ),
    Mutant(
        "stream_fifo",
        "wraps one too late",
        "index == IndexBits'(Depth - 1)",
        "index == IndexBits'(Depth)",
    ),
    Mutant(
        "stream_fifo",
        "moves on without ready",
        "assign leave = out_valid_o && out_ready_i;",
        "assign leave = out_valid_o;",
    ),
    Mutant("stream_buffer", "reads over what waits", "(!out_valid_o || out_ready_i)", "1'b1"),
    Mutant(
        "word_buffer",
        "forgets a claim when a word is read",
        "if (reserve_i && !read_i) count_q",
        "if (reserve_i && !read_i && !write_i) count_q",
    ),
    Mutant(
        "stream_fork",
        "offers an element twice",
        "{Outputs{in_valid_i}} & ~taken_q",
        "{Outputs{in_valid_i}}",
    ),
    Mutant(
        "stream_fork",
        "drops an element that one output has",
        "assign in_ready_o  = &(taken_q | out_ready_i);",
        "assign in_ready_o  = |(taken_q | out_ready_i);",
    ),
    Mutant(
        "rows_fork",
        "an output takes what the other does",
        ".in_valid_i (valid[i]),",
        ".in_valid_i (valid[0]),",
    ),
    Mutant(
        "tile_loader", "full a beat early", "BeatIndexBits'(Beats - 1)", "BeatIndexBits'(Beats - 2)"
    ),
    Mutant(
        "tile_loader",
        "writes into a full tile",
        "assign weights_ready_o = !full_o;",
        "assign weights_ready_o = 1'b1;",
    ),
    Mutant("distribute", "a section one beat long", "Counts[step_q] - 1)", "0)"),
    Mutant(
        "distribute",
        "waits for no output but one",
        "&(taken_q | out_ready_i | ~targets)",
        "|(out_ready_i & targets)",
    ),
    Mutant("head_split", "a head of two parts", "part_q == 2'd2;", "part_q == 2'd1;"),
    Mutant(
        "mask_fork",
        "the mask a beat short",
        "covered_q + BeatBytes >=",
        "covered_q + 2 * BeatBytes >=",
    ),
    Mutant(
        "row_ring",
        "a released row is free at once",
        "freed_q[operator_pkg::RingLatency-1];",
        "(release_i ? release_count_i : '0);",
    ),
    Mutant(
        "gearbox 2 to 3",
        "keeps the surplus of a row's last word",
        "if (SeenBits'(lane) < count) placed",
        "placed",
    ),
    Mutant(
        "gearbox 2 to 3",
        "joins rows without filling",
        "if (row_ends) begin\n      filled = '0;",
        "if (row_ends && 32'(rest) > InLanes) begin\n      filled = '0;",
    ),
    Mutant(
        "control",
        "data changes while it waits",
        "assign ar_ready_o = !r_valid_o;",
        "assign ar_ready_o = 1'b1;",
    ),
    Mutant(
        "control",
        "answers the address alone",
        "address_held_q && data_held_q && !b_valid_o",
        "address_held_q && !b_valid_o",
    ),
    Mutant(
        "control",
        "a written length reaches a waiting start",
        "held_q ? rows_q : RowBits'(sequence_q)",
        "RowBits'(sequence_q)",
    ),
    Mutant("root", "rounds up", "rest >= trial ?", "rest > trial ?"),
    Mutant(
        "root",
        "a root is replaced before it is taken",
        "!busy_q || (out_valid_o && out_ready_i)",
        "!busy_q || out_valid_o",
        reach=0,
    ),
    Mutant(
        "reciprocal",
        "a dividend of ones and zeros",
        "assign doubled = {rest_q, 1'b1};",
        "assign doubled = {rest_q, step_q[0]};",
        reach=8,
    ),
    Mutant("requantize to 8", "drops the half", "offset_q[lane] + half_q[lane]", "offset_q[lane]"),
    Mutant(
        "requantize to 16",
        "wraps where it saturates",
        "if (shifted > Limit) return",
        "if (shifted > 2 * Limit) return",
    ),
    Mutant("gelu", "indexes by x, not |x|", "return value[15] ? -value : value;", "return value;"),
    Mutant("gemm_array", "no carry between the fields", " + SumBits'(both[17]);", ";"),
    Mutant(
        "row_factor",
        "a shift twice while the root is busy",
        "(valid_q[3] && root_ready),",
        "(valid_q[3]),",
        reach=0,
    ),
    Mutant(
        "deviations",
        "three rows wait in two places",
        "summed_q == 2'(Slots)",
        "summed_q == 2'(Slots + 1)",
        reach=30,
    ),
    Mutant("narrow int8", "one mask beat, always", "row_q == last_row_q >> MaskShift;", "1'b1;"),
    Mutant(
        "narrow int16",
        "the upper half of a row is lost",
        "(last_q[Latency] || high_q[Latency])",
        "high_q[Latency]",
        reach=0,
    ),
    Mutant(
        "residual",
        "a sum without its skip",
        "sums_valid_i && skip_valid_i && advance;",
        "sums_valid_i && advance;",
        reach=0,
    ),
    Mutant(
        "residual",
        "moves over totals that wait",
        "assign advance = !totals_valid_o || totals_ready_i;",
        "assign advance = 1'b1;",
        reach=0,
    ),
    Mutant(
        "layernorm",
        "the first row is the last",
        "assign last_row = row_q == rows_q - 1'b1;",
        "assign last_row = 1'b1;",
        reach=0,
    ),
    Mutant(
        "softmax",
        "reads on with no room for sums",
        " && waiting_q != WaitingBits'(Waiting)",
        "",
        reach=0,
    ),
    Mutant(
        "sum_banks",
        "a long sequence takes a bank in use",
        "(both ? busy_q == '0 : !busy_q[next_q])",
        "!busy_q[next_q]",
    ),
    Mutant(
        "sum_banks",
        "a word is read over one that waits",
        "(!word_valid_q || move)",
        "1'b1",
        reach=16,
    ),
    Mutant(
        "block_order 2 by 3",
        "a permit without room",
        " && 32'(whole_q) + touched <= Banks",
        "",
        reach=0,
    ),
    Mutant(
        "block_order 2 by 3",
        "a beat more than the queue holds",
        "($bits(room_q))'(FifoDepth)",
        "($bits(room_q))'(FifoDepth + 1)",
        reach=24,
    ),
)
