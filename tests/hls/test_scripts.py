"""The Tcl scripts, run with stand-ins for AMD's commands: what they call, and what they build."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path

import pytest
import vendor_tcl

from transfab.hls.folder import Request, makefile
from transfab.hls.ports import KERNELS, MOVERS, input_port, output_port
from transfab.hls.targets import PLANS, TARGETS, UNVERIFIED, Target, hls_arguments
from transfab.quant.contract.tops import TOPS
from transfab.quant.random_source import RandomSource

SCRIPTS = Path(__file__).resolve().parents[2] / "hls/scripts"
SOURCES = SCRIPTS.parent
pytestmark = pytest.mark.skipif(vendor_tcl.MISSING is not None, reason=str(vendor_tcl.MISSING))
ZYNQ = [target for target in TARGETS.values() if target.flow == "vivado"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kernel.tcl changes its folder, which is this process's."""
    monkeypatch.chdir(tmp_path)


def synthesize(out: Path, target: Target, kernel: str, **more: str) -> vendor_tcl.Recorder:
    tool = vendor_tcl.hls()
    folders = {"CONFIG": "config", "SOURCES": str(SOURCES), "OUT": str(out)}
    given = {f"TRANSFAB_{name}": value for name, value in {**folders, **more}.items()}
    vendor_tcl.run(SCRIPTS / "kernel.tcl", hls_arguments(target, kernel) | given, tool.commands)
    return tool


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_is_synthesized_for_its_part_and_clock_and_exported(
    tmp_path: Path, kernel: str
) -> None:
    tool = synthesize(tmp_path / "out", TARGETS["u280"], kernel)
    name = "output_stage" if kernel == "output" else kernel
    flags = f"-std=c++17 -I{tmp_path}/config"
    if kernel == "output":
        flags += " -Doutput=output_stage"
    assert tool.calls == [
        ("open_project", "-reset", kernel),
        ("set_top", name),
        ("add_files", f"{SOURCES}/tops/{kernel}.cpp", "-cflags", flags),
        ("open_solution", "-reset", "solution", "-flow_target", "vitis"),
        ("set_part", "xcu280-fsvh2892-2L-e"),
        ("create_clock", "-period", "3.333", "-name", "default"),
        ("csynth_design",),
        ("export_design", "-format", "xo", "-output", f"{tmp_path}/out/{kernel}.xo"),
    ]


def test_a_kernel_for_vivado_is_exported_as_a_block(tmp_path: Path) -> None:
    tool = synthesize(tmp_path / "out", TARGETS["kv260"], "layer")
    assert tool.of("open_solution")[0][-1] == "vivado"
    (export,) = tool.of("export_design")
    assert list(export) == [
        *("-format", "ip_catalog", "-rtl", "verilog", "-ipname", "layer", "-version", "1.0")
    ]


def test_cosimulation_runs_the_testbench_on_the_vectors(tmp_path: Path) -> None:
    more = {"STEPS": "csim csynth cosim", "VECTORS": "vectors"}
    tool = synthesize(tmp_path / "out", TARGETS["u280"], "qkv", **more)
    order = [name for name, *_ in tool.calls if name.endswith("_design")]
    assert order == ["csim_design", "csynth_design", "cosim_design"]
    assert tool.of("csim_design") == [["-argv", f"{tmp_path}/vectors qkv"]]
    assert tool.of("cosim_design") == [["-rtl", "verilog", "-argv", f"{tmp_path}/vectors qkv"]]
    benches = [call[1] for call in tool.of("add_files") if call[0] == "-tb"]
    assert benches == [f"{SOURCES}/testbench/{name}.cpp" for name in ("library", "main")]
    # The testbench names every top, so that all are compiled for it.
    tops = {Path(call[0]).stem for call in tool.of("add_files") if call[0] != "-tb"}
    assert tops == set(KERNELS)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"PERIOD": ""}, "set TRANSFAB_PERIOD"),
        ({"FORMAT": "dcp"}, "TRANSFAB_FORMAT must be xo or ip, not dcp"),
        ({"STEPS": "csim impl"}, "TRANSFAB_STEPS must name some of csim .*, not impl"),
        ({"STEPS": "csim"}, "set TRANSFAB_VECTORS"),
        ({"STEPS": "cosim", "TOP": "read_memory"}, "read_memory has no testbench"),
    ],
)
def test_a_wrong_argument_is_named(tmp_path: Path, more: dict[str, str], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        synthesize(tmp_path / "out", TARGETS["u280"], "qkv", **more)


def design(out: Path, target: Target, kernel: str, **settings: str) -> vendor_tcl.Vivado:
    """Run block_design.tcl with the arguments that the Makefile gives it."""
    plan = PLANS["one" if kernel == "layer" else "two"]
    config = RandomSource(target.recipe.preset).config(16)
    text = makefile(Request(target, plan, config, target.recipe.engine)).replace("\\\n", "")
    lines = [line for line in text.splitlines() if f"TRANSFAB_KERNEL={kernel} " in line]
    words = shlex.split(lines[0].partition(" vivado ")[0])
    given = dict(word.split("=", 1) for word in words)
    out.mkdir(exist_ok=True)
    tool = vendor_tcl.Vivado(out, kernel, **settings)
    extra = {"TRANSFAB_OUT": str(out), "TRANSFAB_PART": target.part}
    vendor_tcl.run(SCRIPTS / "block_design.tcl", given | extra, tool.commands)
    return tool


@pytest.fixture(params=[(t, k) for t in ZYNQ for k in ("layer", "board_a", "board_b")])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Target, str, vendor_tcl.Vivado]:
    target, kernel = request.param
    return target, kernel, design(tmp_path / "out", target, kernel)


def streams(kernel: str) -> list[str]:
    top = TOPS[kernel]
    return [*map(input_port, top.inputs), output_port(top.output)]


def test_every_interface_of_a_design_is_joined_once(
    made: tuple[Target, str, vendor_tcl.Vivado],
) -> None:
    target, kernel, tool = made
    ports = min(target.ports, len(streams(kernel)))
    memory = "S_AXI_HP{}_FPD" if target.processor == "zynq_ultra_ps_e" else "S_AXI_HP{}"
    control = "M_AXI_HPM0_FPD" if target.processor == "zynq_ultra_ps_e" else "M_AXI_GP0"
    expected = {f"processor/{control}", f"{kernel}/s_axi_control", "interrupts/s_axi"}
    expected |= {f"processor/{memory.format(i)}" for i in range(ports)}
    for stream in streams(kernel):
        way = "S2MM" if stream == streams(kernel)[-1] else "MM2S"
        side = "S_AXIS_S2MM" if way == "S2MM" else "M_AXIS_MM2S"
        expected |= {f"{kernel}/{stream}", f"dma_{stream}/S_AXI_LITE"}
        expected |= {f"dma_{stream}/M_AXI_{way}", f"dma_{stream}/{side}"}
    for cell in tool.cells:
        if tool.kind(cell) == "smartconnect":
            sizes = tool.properties[cell]
            expected |= {f"{cell}/S{i:02d}_AXI" for i in range(int(sizes["NUM_SI"]))}
            expected |= {f"{cell}/M{i:02d}_AXI" for i in range(int(sizes["NUM_MI"]))}
    joined = Counter(end for pair in tool.buses for end in pair)
    assert joined == Counter(expected)


def test_packets_flow_from_inputs_to_the_output(
    made: tuple[Target, str, vendor_tcl.Vivado],
) -> None:
    _, kernel, tool = made
    *inputs, output = streams(kernel)
    wanted = {(f"dma_{stream}/M_AXIS_MM2S", f"{kernel}/{stream}") for stream in inputs}
    wanted |= {(f"{kernel}/{output}", f"dma_{output}/S_AXIS_S2MM")}
    assert {pair for pair in tool.buses if "_AXIS_" in pair[0] + pair[1]} == wanted


def test_every_block_has_the_clock_and_a_reset(
    made: tuple[Target, str, vendor_tcl.Vivado],
) -> None:
    target, kernel, tool = made
    ultra = target.processor == "zynq_ultra_ps_e"
    clock, reset = ("pl_clk0", "pl_resetn0") if ultra else ("FCLK_CLK0", "FCLK_RESET0_N")
    clocks, resets = {"resets/slowest_sync_clk"}, set()
    clocks.add("processor/maxihpm0_fpd_aclk" if ultra else "processor/M_AXI_GP0_ACLK")
    for i in range(min(target.ports, len(streams(kernel)))):
        name = f"saxihp{i}_fpd_aclk" if ultra else f"S_AXI_HP{i}_ACLK"
        clocks.add(f"processor/{name}")
    for cell in tool.cells:
        kind = tool.kind(cell)
        if kind == "axi_dma":
            way = "s2mm" if cell == f"dma_{streams(kernel)[-1]}" else "mm2s"
            clocks |= {f"{cell}/s_axi_lite_aclk", f"{cell}/m_axi_{way}_aclk"}
            resets.add(f"{cell}/axi_resetn")
        elif kind in ("smartconnect", "axi_intc", "kernel"):
            clocks.add(f"{cell}/{vendor_tcl.CLOCKED[kind][0]}")
            resets.add(f"{cell}/{vendor_tcl.CLOCKED[kind][1]}")
    assert Counter(tool.nets[f"processor/{clock}"]) == Counter(clocks)
    assert Counter(tool.nets["resets/peripheral_aresetn"]) == Counter(resets)
    assert tool.nets[f"processor/{reset}"] == ["resets/ext_reset_in"]


def test_every_interrupt_reaches_the_processor(
    made: tuple[Target, str, vendor_tcl.Vivado],
) -> None:
    target, kernel, tool = made
    line = "pl_ps_irq0" if target.processor == "zynq_ultra_ps_e" else "IRQ_F2P"
    sources = {f"{kernel}/interrupt"} | {
        f"dma_{name}/mm2s_introut" for name in streams(kernel)[:-1]
    }
    sources.add(f"dma_{streams(kernel)[-1]}/s2mm_introut")
    found = {source: tool.nets[source] for source in sources}
    inputs = [sink for sinks in found.values() for sink in sinks]
    count = int(tool.properties["lines"]["NUM_PORTS"])
    assert sorted(inputs) == sorted(f"lines/In{i}" for i in range(count))
    assert tool.nets["lines/dout"] == ["interrupts/intr"]
    assert tool.nets["interrupts/irq"] == [f"processor/{line}"]


def test_addresses_do_not_overlap_and_memory_is_assigned_last(
    made: tuple[Target, str, vendor_tcl.Vivado],
) -> None:
    target, kernel, tool = made
    base = 0xA000_0000 if target.processor == "zynq_ultra_ps_e" else 0x4000_0000
    segments = [f"{kernel}/s_axi_control/Reg", "interrupts/S_AXI/Reg"]
    segments += [f"dma_{stream}/S_AXI_LITE/Reg" for stream in streams(kernel)]
    expected = {segment: base + 0x1_0000 * i for i, segment in enumerate(segments)}
    assert tool.addresses == expected
    assert tool.of("assign_bd_address")[-1] == []


def test_blocks_are_as_wide_as_a_beat_and_as_fast_as_the_clock(
    made: tuple[Target, str, vendor_tcl.Vivado],
) -> None:
    target, kernel, tool = made
    bits = str(8 * target.recipe.engine.beat_bytes)
    for stream in streams(kernel)[:-1]:
        found = tool.properties[f"dma_{stream}"]
        assert found["c_m_axi_mm2s_data_width"] == found["c_m_axis_mm2s_tdata_width"] == bits
        assert (found["c_include_mm2s"], found["c_include_s2mm"]) == ("1", "0")
    out = tool.properties[f"dma_{streams(kernel)[-1]}"]
    assert out["c_m_axi_s2mm_data_width"] == bits
    assert (out["c_include_mm2s"], out["c_include_s2mm"]) == ("0", "1")
    assert str(target.mhz) in tool.properties["processor"].values()
    assert tool.cells[kernel] == f"xilinx.com:hls:{kernel}:1.0"
    assert tool.of("set_property")[0] == ["board_part", target.platform, "project"]


def test_a_design_ends_with_a_bitstream_and_its_description(tmp_path: Path) -> None:
    tool = design(tmp_path / "out", TARGETS["kv260"], "board_a")
    assert (tmp_path / "out/board_a.bit").read_text() == "bit"
    assert (tmp_path / "out/board_a.hwh").read_text() == "hwh"
    order = [name for name, *_ in tool.calls]
    assert order.index("validate_bd_design") < order.index("make_wrapper")
    assert order.index("launch_runs") < order.index("wait_on_run")


def test_a_design_that_misses_timing_or_board_files_stops(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"worst slack -0\.2 ns at 200 MHz"):
        design(tmp_path / "slow", TARGETS["kv260"], "board_a", slack="-0.2")
    assert not (tmp_path / "slow/board_a.bit").exists()
    with pytest.raises(RuntimeError, match=r"no board files of tul\.com\.tw:pynq-z2:part0:1\.0"):
        design(tmp_path / "none", TARGETS["pynq-z2"], "board_a", boards="")


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.tcl")), ids=lambda path: path.name)
def test_a_script_says_that_it_is_unverified(script: Path) -> None:
    assert UNVERIFIED in script.read_text(encoding="utf-8")
    assert set(MOVERS) <= set(KERNELS)
