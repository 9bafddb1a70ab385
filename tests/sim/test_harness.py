"""The host of `sim/harness` against a top whose packets are known, whole and with a fault each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from benches import needs_simulator
from stream_oracle import BUILDS

from transfab.quant.contract.beats import Beats
from transfab.quant.contract.packets import beats_of
from transfab.quant.contract.tops import TOPS
from transfab.sim.model import Model
from transfab.sim.shell import shell_design

STANDIN = Path(__file__).parent / "standin.cpp"
OUTPUT = "intermediate"
# In a sequence of so many tokens, and in no other, the top has this fault.
FAULTS = {
    "keep": (21, "TKEEP = '1;", "TKEEP = {F} ? {W}'(-2) : '1;"),
    "early": (22, "TLAST <= left_q == 1;", "TLAST <= left_q == ({F} ? 2 : 1);"),
    "never last": (23, "TLAST <= left_q == ", "TLAST <= !{F} && left_q == "),
    "changes": (24, "if (!{O}_TVALID || ", "if ({F} || !{O}_TVALID || "),
    "waits": (
        35,
        "|| {O}_TREADY) begin",
        "|| {O}_TREADY) if ({F} && ({O}_TVALID || !{O}_TREADY)) {O}_TVALID <= 1'b0; else begin",
    ),
    "takes back": (25, "if (finished) begin", "if ({F} && odd_q) {O}_TVALID <= 1'b0;\n{K}"),
    "too many": (26, "left_q <= beats_of(length_q);", "{K} if ({F}) left_q <= 99;"),
    "stuck": (27, "run_q && left_q != 0;", "run_q && left_q != 0 && !({F} && left_q < 9);"),
    "refuses": (30, "s_axi_control_BRESP = 2'b00", "s_axi_control_BRESP = {{F}, 1'b0}"),
    "not taken": (31, "_parameters_TREADY = 1'b1;", "_parameters_TREADY = !{F};"),
}
FAULTS_OF_REGISTERS = {
    "never ready": (28, "ready_q <= 1'b1;", "ready_q <= !{F};"),
    "never done": (
        29,
        "done_q + CountBits'(finished_i)",
        "done_q + CountBits'(finished_i && !{F})",
    ),
    "not idle": (32, "running_q == '0 && !start_q", "{K} && !{F}"),
    "done before ready": (33, "done_q != '0, start_q", "done_q != '0 || {F}, start_q"),
}
EXPECTED = {
    "keep": r"packet intermediate does not keep all bytes of a beat \(TKEEP\): sequence 1 beat 0",
    "early": "packet intermediate has TLAST before its last beat: sequence 1 beat 42 of 44",
    "never last": "packet intermediate has no TLAST on its last beat: sequence 1 beat 45 of 46",
    "changes": "packet intermediate changes a beat that was not taken: sequence 1 beat ",
    "takes back": "packet intermediate takes back a beat that was not taken: sequence 1 beat ",
    "waits": "no beat for 500 cycles, .*intermediate valid 0 ready 0, ",
    "too many": "packet intermediate has no TLAST on its last beat: sequence 1 beat 51 of 52",
    "stuck": r"no beat for 500 cycles, .*intermediate valid 0 ready ., 48 of 56 beats; registers",
    "never ready": "done before ready",
    "never done": "no beat for 500 cycles, .* 2 sequences started, 2 taken, 0 done",
    "refuses": "a register access is refused",
    "not taken": "no beat for 500 cycles, .*intermediate_parameters valid 1 ready 0, ",
    "not idle": "not idle after the last sequence",
    "done before ready": "done before ready",
}
BUILD = BUILDS[4]
Edit = Callable[[str], str]


@cache
def model(index: int, top: str, edit: Edit | None = None) -> Model:
    needs_simulator()
    build = BUILDS[index]
    config, engine = build.config(), build.engine
    design = shell_design(config, engine, top, (STANDIN,), edit=edit or (lambda text: text))
    return Model(config, engine, top, design=design)


def packets(model: Model, sequences: list[int], seed: int = 1) -> dict[str, list[Beats]]:
    draw, width = np.random.default_rng(seed), model.engine.beat_bytes
    return {
        name: [
            draw.integers(
                0, 256, (beats_of(model.config, model.engine, name, length), width)
            ).astype(np.uint8)
            for length in sequences
        ]
        for name in model.top.inputs
    }


def expected(model: Model, sent: dict[str, list[Beats]], index: int, length: int) -> Beats:
    """What standin.cpp says."""
    total = sum(packet[index].sum(0, dtype=np.int64) for packet in sent.values())
    count = beats_of(model.config, model.engine, model.top.output, length)
    return (total + np.arange(count)[:, None] + length).astype(np.uint8)


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize(("index", "top"), [(0, "intermediate"), (2, "layer"), (1, "output")])
def test_packets_pass_in_order_whatever_stalls(index: int, top: str, stall: float) -> None:
    simulated, lengths = model(index, top), [5, 1, 70, 33]
    sent = packets(simulated, lengths)
    result = simulated.run(lengths, sent, stall, seed=3)
    for i, length in enumerate(lengths):
        assert np.array_equal(result.outputs[i], expected(simulated, sent, i, length))
    for name, spans in result.spans.items():
        assert all(first <= last for first, last in spans)
        assert all(last < first for (_, last), (first, _) in pairwise(spans))
        sizes = [beats_of(simulated.config, simulated.engine, name, s) for s in lengths]
        for (first, last), beats in zip(spans, sizes, strict=True):
            least = last - first + 1 >= beats
            assert least and (stall > 0) <= (last - first + 1 > beats or beats < 9)
    assert result.cycles == 1 + result.spans[TOPS[top].output][-1][1] - min(
        spans[0][0] for spans in result.spans.values()
    )


def test_a_run_is_repeated_by_its_seed() -> None:
    simulated, lengths = model(0, "intermediate"), [5, 1]
    sent = packets(simulated, lengths)
    one, same, other = (simulated.run(lengths, sent, 0.5, seed).spans for seed in (1, 1, 2))
    assert one == same != other


def test_a_packet_of_several_sequences_is_written_once() -> None:
    simulated = model(0, "intermediate")
    sent = packets(simulated, [6])
    again = {name: one * 3 for name, one in sent.items()}
    for made in simulated.run([6] * 3, again).outputs:
        assert np.array_equal(made, expected(simulated, sent, 0, 6))


def with_faults(text: str) -> str:
    """The shell, or its registers, with every fault."""
    shell = "u_control" in text
    odd = "  logic odd_q;\n  always_ff @(posedge ap_clk) odd_q <= !odd_q;\n"
    text = text.replace("  // The kernel: one", f"{odd}  // The kernel: one")
    for length, old, new in (FAULTS if shell else FAULTS_OF_REGISTERS).values():
        old = old.replace("{O}", OUTPUT)
        assert text.count(old) == 1, old
        fault = f"({'length_q' if shell else 'sequence_q'} == {length})"
        changed = new.replace("{O}", OUTPUT).replace("{F}", fault).replace("{K}", old)
        text = text.replace(old, changed.replace("{W}", str(BUILD.engine.beat_bytes)))
    return text


@pytest.mark.parametrize("fault", FAULTS | FAULTS_OF_REGISTERS)
def test_a_fault_is_found(fault: str) -> None:
    simulated = model(4, "intermediate", with_faults)
    length = (FAULTS | FAULTS_OF_REGISTERS)[fault][0]
    sent = packets(simulated, [1, length])
    with pytest.raises(RuntimeError, match=f"^top intermediate: {EXPECTED[fault]}"):
        simulated.run([1, length], sent, 0.3, patience=500)


def test_the_faults_leave_other_sequences_alone() -> None:
    simulated = model(4, "intermediate", with_faults)
    sent = packets(simulated, [1, 20])
    assert len(simulated.run([1, 20], sent, 0.3).outputs) == 2


def test_another_build_is_refused() -> None:
    right = "return BuildHash[31:0]"
    simulated = model(4, "intermediate", lambda text: text.replace(right, "return '0"))
    with pytest.raises(RuntimeError, match="top intermediate: another build: the registers"):
        simulated.run([1], packets(simulated, [1]))


def test_a_kernel_that_fails_is_named() -> None:
    simulated = model(0, "intermediate")
    with pytest.raises(RuntimeError, match=r"^top intermediate: a kernel that fails$"):
        simulated.run([13], packets(simulated, [13]))


def test_what_the_ports_do_not_take_is_refused() -> None:
    simulated = model(0, "intermediate")
    sent = packets(simulated, [5])
    with pytest.raises(ValueError, match=r"stall must be in \[0, 1\), a share of cycles, not 1"):
        simulated.run([5], sent, stall=1)
    with pytest.raises(ValueError, match=r"stall must name ports of .*, intermediate, not hidden"):
        simulated.run([5], sent, stall={"hidden": 0.5})
    with pytest.raises(ValueError, match="reads attention_output, intermediate_parameters, not"):
        simulated.run([5], {"hidden": []})
    with pytest.raises(ValueError, match="must be one a sequence, 2, not 1"):
        simulated.run([5, 5], sent)
    with pytest.raises(ValueError, match="packet attention_output of 4 tokens must be"):
        simulated.run([4], sent)
    with pytest.raises(ValueError, match=r"sequence length must be in \[1, 70\]"):
        simulated.run([71], sent)
    with pytest.raises(ValueError, match="built without waves"):
        simulated.run([5], sent, waves=Path("waves.vcd"))
    with pytest.raises(ValueError, match=r"top must be one of qkv, .*, layer, not softmax"):
        Model(simulated.config, simulated.engine, "softmax")


def test_waves_hold_every_cycle(tmp_path: Path) -> None:
    needs_simulator()
    config, engine = BUILD.config(), BUILD.engine
    design = shell_design(config, engine, "intermediate", (STANDIN,))
    simulated = Model(config, engine, "intermediate", waves=True, design=design)
    waves = tmp_path / "waves.vcd"
    result = simulated.run([3], packets(simulated, [3]), waves=waves)
    text = waves.read_text()
    assert "intermediate_TVALID" in text and "ap_clk" in text
    assert text.count("\n#") >= 2 * result.cycles
