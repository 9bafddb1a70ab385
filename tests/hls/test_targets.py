"""Targets, link configurations, recipes: complete, of the ports that exist, within limits."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from transfab.hls.folder import Request, check_request, folder_files, makefile
from transfab.hls.link import FULLEST, link_configuration
from transfab.hls.ports import KERNELS, MOVERS, input_port, links, output_port
from transfab.hls.recipes import recipe_files, requests
from transfab.hls.targets import (
    PLANS,
    TARGETS,
    UNVERIFIED,
    Target,
    hls_arguments,
    plan_named,
    target_named,
)
from transfab.quant.contract.registers import REGISTERS
from transfab.quant.contract.tops import TOPS
from transfab.quant.engine import Engine
from transfab.quant.random_source import RandomSource

ROOT = Path(__file__).resolve().parents[2]
ALVEO = [target for target in TARGETS.values() if target.flow == "vitis"]
BOARDS = sorted({kernels for plan in PLANS.values() for kernels in plan.boards})
SLICES = {"layer": 6026, "board_a": 1700, "board_b": 1700}


def signature(kernel: str) -> list[tuple[str, str]]:
    """Types and names of the arguments of a top, from its source."""
    text = (ROOT / f"hls/tops/{kernel}.cpp").read_text(encoding="utf-8")
    match = re.search(rf"^void {kernel}\(([^)]*)\)", text, re.MULTILINE)
    assert match, f"no top {kernel}"
    arguments = (one.split() for one in match[1].split(","))
    return [(" ".join(kind), name) for *kind, name in arguments]


def streams_of(kernel: str) -> set[str]:
    return {name for kind, name in signature(kernel) if kind == "transfab::ConfigPort&"}


def parsed(text: str) -> dict[str, list[str]]:
    """Keys of a configuration file and all their values."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and line[0] not in "#[":
            key, equals, value = line.partition("=")
            assert equals, line
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("kernel", TOPS)
def test_ports_are_those_of_the_source_and_in_its_order(kernel: str) -> None:
    top = TOPS[kernel]
    ports = [*map(input_port, top.inputs), output_port(top.output)]
    scalars = [("transfab::Sequence", "sequence"), ("transfab::BuildHash&", "build_hash")]
    assert signature(kernel) == [("transfab::ConfigPort&", port) for port in ports] + scalars


def test_registers_are_the_scalars_in_their_order() -> None:
    names = [one.name for one in REGISTERS if one.offset >= 0x10]
    scalars = [name for _, name in signature("layer") if name not in streams_of("layer")]
    assert scalars == ["sequence", "build_hash"]
    assert names == ["sequence", "build_hash_low", "build_hash_high"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_argument_has_its_interfaces(kernel: str) -> None:
    text = (ROOT / f"hls/tops/{kernel}.cpp").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for mode, port in re.findall(r"^#pragma HLS INTERFACE (\w+) port = (\w+)", text, re.MULTILINE):
        found.setdefault(port, set()).add(mode)
    expected = {"return": {"s_axilite", "ap_ctrl_chain"}}
    for kind, name in signature(kernel):
        if kind == "transfab::ConfigPort&":
            expected[name] = {"axis"}
        elif name == "memory":
            expected[name] = {"m_axi", "s_axilite"}
        else:
            expected[name] = {"s_axilite", "ap_none"} if kind.endswith("&") else {"s_axilite"}
    assert found == expected


@pytest.mark.parametrize("kernels", BOARDS, ids="-".join)
def test_a_board_has_each_port_of_each_kernel_once(kernels: tuple[str, ...]) -> None:
    made = links(kernels)
    used = Counter(end for link in made for end in (link.source, link.sink) if end)
    assert used == Counter(f"{name}.{port}" for name in kernels for port in streams_of(name))


def test_two_kernels_on_a_board_are_joined_by_the_stream_that_two_boards_send() -> None:
    inside = [link for link in links(("board_a", "board_b")) if link.source and link.sink]
    assert [link.packet for link in inside] == ["attention_output"]
    alone = [link.packet for link in links(("board_a",)) if link.source]
    assert alone == ["attention_output"] == [links(("board_b",))[0].packet]


@pytest.mark.parametrize("target", ALVEO, ids=lambda one: one.name)
@pytest.mark.parametrize("kernels", BOARDS, ids="-".join)
def test_a_link_configuration_names_every_stream_mover_and_bank_once(
    target: Target, kernels: tuple[str, ...]
) -> None:
    text = link_configuration(target, kernels, SLICES, "0123456789abcdef")
    found = parsed(text)
    assert UNVERIFIED in text.splitlines()[1]
    assert found["platform"] == [target.platform]
    assert found["kernel_frequency"] == [str(target.mhz)]

    units: dict[str, str] = {}
    for value in found["nk"]:
        kernel, count, names = value.split(":")
        assert int(count) == len(names.split(","))
        units |= dict.fromkeys(names.split(","), kernel)
    assert set(units.values()) == {*kernels, *MOVERS}

    ends = [end for value in found["stream_connect"] for end in value.split(":")]
    ports = [f"{unit}.{port}" for unit, kernel in units.items() for port in streams_of(kernel)]
    assert Counter(ends) == Counter(ports)
    sources = [value.split(":")[0].partition(".")[::2] for value in found["stream_connect"]]
    for unit, port in sources:
        assert units[unit] == "read_memory" or port == output_port(TOPS[units[unit]].output)

    banks = {bank.tag for bank in (*target.activations, *target.parameters)}
    movers = [unit for unit, kernel in units.items() if kernel in MOVERS]
    assert Counter(value.split(":")[0] for value in found["sp"]) == Counter(
        f"{mover}.memory" for mover in movers
    )
    assert {value.split(":")[1] for value in found["sp"]} <= banks

    regions = dict(value.split(":") for value in found["slr"])
    assert regions.keys() - {f"{kernel}_1" for kernel in kernels} == set(movers)
    assert set(regions.values()) <= {name for name, _ in target.regions}


@pytest.mark.parametrize("target", ALVEO, ids=lambda one: one.name)
def test_parameters_and_activations_have_banks_of_their_own(target: Target) -> None:
    found = parsed(link_configuration(target, ("layer",), SLICES, "0" * 16))["sp"]
    of = {kind: {v.split(":")[1] for v in found if ("parameters" in v) == kind} for kind in (0, 1)}
    assert not of[0] & of[1]


def test_a_kernel_gets_a_region_only_if_it_fits_what_is_left_of_one() -> None:
    target = TARGETS["u280"]
    room = int(FULLEST * 3008)

    def regions(a: int, b: int) -> dict[str, str]:
        text = link_configuration(target, ("board_a", "board_b"), {"board_a": a, "board_b": b}, "")
        return {k: v for k, v in (x.split(":") for x in parsed(text)["slr"]) if k[0] == "b"}

    assert regions(room, 1) == {"board_a_1": "SLR0", "board_b_1": "SLR1"}
    assert regions(room // 2, room // 2) == {"board_a_1": "SLR0", "board_b_1": "SLR0"}
    assert regions(room + 1, room) == {"board_b_1": "SLR0"}


@pytest.mark.parametrize(
    "request_", list(requests()), ids=lambda one: f"{one.target.name}-{one.plan.name}"
)
def test_a_recipe_fits_its_board_by_the_estimate(request_: Request) -> None:
    check_request(request_)
    for one in request_.estimates():
        assert one.blocks <= request_.target.blocks


def test_the_recipe_of_the_pynq_z2_fits_220_slices_and_140_block_memories() -> None:
    target = TARGETS["pynq-z2"]
    assert (target.slices, target.blocks, target.urams) == (220, 140, 0)
    engine = target.recipe.engine
    assert (engine.beat_bytes, engine.sequence) == (16, 64)
    config = RandomSource(target.recipe.preset).config(16)
    assert (config.hidden, config.heads, config.feed_forward) == (128, 2, 512)
    for one in Request(target, PLANS["two"], config, engine).estimates():
        assert one.slices(target.dsp) <= 0.85 * target.slices
        assert one.blocks <= 0.5 * target.blocks


def test_what_cannot_fit_is_refused_with_both_numbers_and_a_way_out() -> None:
    target = TARGETS["pynq-z2"]
    config = RandomSource("bert-tiny").config(16)
    request = Request(target, PLANS["one"], config, target.recipe.engine)
    with pytest.raises(ValueError, match=r"layer need about \d+ DSP48E1, pynq-z2 has 220: take"):
        check_request(request)
    long = replace(request, plan=PLANS["two"], engine=replace(request.engine, sequence=512))
    with pytest.raises(
        ValueError, match=r"board_a need about [\d.]+ BRAM36, pynq-z2 has 140: take"
    ):
        check_request(long)
    with pytest.raises(ValueError, match="pynq-z2 runs one kernel a board: take --plan one"):
        check_request(replace(request, plan=PLANS["split"]))


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"--target must be one of u200, .*, pynq-z2, not u250"):
        target_named("u250")
    with pytest.raises(ValueError, match="--plan must be one of one, split, two, not three"):
        plan_named("three")
    with pytest.raises(ValueError, match=r"kernel must be one of qkv, .*, write_memory, not gelu"):
        hls_arguments(TARGETS["u280"], "gelu")
    with pytest.raises(ValueError, match="zcu104 is linked by Vivado"):
        link_configuration(TARGETS["zcu104"], ("layer",), SLICES, "")


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda one: one.name)
def test_arguments_of_a_kernel_are_of_its_board(target: Target) -> None:
    assert hls_arguments(target, "layer") == {
        "TRANSFAB_TOP": "layer",
        "TRANSFAB_PART": target.part,
        "TRANSFAB_PERIOD": f"{1000 / target.mhz:.3f}",
        "TRANSFAB_FORMAT": "xo" if target.flow == "vitis" else "ip",
    }


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda one: one.name)
def test_a_folder_holds_every_source_that_it_includes(target: Target) -> None:
    config = RandomSource(target.recipe.preset).config(16)
    files = folder_files(Request(target, PLANS["two"], config, target.recipe.engine))
    sources = {name for name in files if name.startswith("sources/")}
    assert {f"sources/tops/{kernel}.cpp" for kernel in KERNELS} <= sources
    for name in sources:
        for included in re.findall(r'^#include "([^"]+)"', files[name], re.MULTILINE):
            path = (ROOT / name).parent.joinpath(included).resolve().relative_to(ROOT)
            assert str(path) in sources, f"{name} includes {included}"
    assert "config/config.hpp" in files
    assert UNVERIFIED in files["scripts/kernel.tcl"]


def test_committed_recipes_are_those_that_the_code_writes() -> None:
    folder = ROOT / "bitstreams"
    written = recipe_files()
    committed = {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    assert committed == written, "run `transfab build --recipes --out bitstreams`"


def test_a_makefile_names_every_file_that_its_folder_has() -> None:
    for request in requests():
        files = folder_files(request)
        for name in re.findall(r"(?:scripts|link|config)/[\w.-]+\.\w+", makefile(request)):
            assert name in files


def test_engines_of_recipes_hold_whole_beats_of_memory_and_ports() -> None:
    for target in TARGETS.values():
        engine: Engine = target.recipe.engine
        # AXI bursts end at 4096 bytes.
        assert 4096 % engine.beat_bytes == 0
        assert engine.beat_bytes == 64 or target.flow == "vivado"


def test_the_table_of_the_documentation_is_the_estimate() -> None:
    text = (ROOT / "docs/build.md").read_text(encoding="utf-8")
    rows = []
    for request in requests():
        target = request.target
        if request.plan.name != target.recipe.plan:
            continue
        for one in request.estimates():
            packed, plain = one.slices(target.dsp), one.slices(target.dsp, packed=False)
            rows.append(
                f"| {target.name}: {target.recipe.preset}, {one.rows} | `{one.top}` "
                f"| {one.interval:,} ({one.slowest.name}) "
                f"| {packed:,}, {plain:,} of {target.slices:,} "
                f"| {one.blocks:,.1f} of {target.blocks:,} |"
            )
    header = "| recipe, longest sequence |"
    assert text.partition(header)[2].splitlines()[2 : 2 + len(rows)] == rows
