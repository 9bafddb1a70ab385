"""Packets as files, and the C++ testbench that runs tops on them."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_build import CONFIG, ENGINE, FLIPS, TINY, Flipped, Outcome, Run, values

from transfab.hls.ap_int import copy_headers
from transfab.hls.build import SOURCES, build_testbench, missing
from transfab.hls.csim import CSimulation
from transfab.quant.bundle import read_bundle
from transfab.quant.bundle_packets import layer_tensors
from transfab.quant.contract.codegen import cpp_header
from transfab.quant.contract.packets import PACKETS, beats_of
from transfab.quant.contract.tops import TENSORS, TOPS, unpack_activation
from transfab.quant.engine import build_hash
from transfab.quant.native.build import compiler, run

pytestmark = pytest.mark.xdist_group("csim")
Packets = Callable[..., Path]


@pytest.fixture(scope="session")
def testbench(simulate: Callable[..., CSimulation]) -> Path:
    """The C++ program of the same build."""
    simulate(TINY)
    return build_testbench(CONFIG, ENGINE)


@pytest.fixture
def packets(cli: Run, engine_file: Path, tmp_path: Path) -> Packets:
    """Exports the packets of a bundle."""

    def export(bundle: Path, *options: object) -> Path:
        folder = tmp_path / "packets"
        given = ("--format", "beats", "--out", folder, "--force", "--engine", engine_file)
        assert cli("export", bundle, *given, *options).code == 0
        return folder

    return export


def bench(program: Path, *arguments: object) -> Outcome:
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return Outcome(done.returncode, done.stdout, done.stderr.splitlines())


def test_exported_packets_hold_the_tensors(packets: Packets, stage_bundle: Path) -> None:
    folder, bundle = packets(stage_bundle), read_bundle(stage_bundle)
    index = json.loads((folder / "index.json").read_text())
    assert index["build_hash"] == build_hash(CONFIG, ENGINE)
    assert (index["engine"], index["layers"]) == (ENGINE.as_dict(), [0, 1])
    assert (folder / "index.txt").read_text().splitlines() == [
        f"build {index['build_hash']}", "batch 2", "sequence 5", "layer 0", "layer 1",
    ]  # fmt: skip
    assert (folder / "config.hpp").read_text() == cpp_header(CONFIG, ENGINE)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.bin")}
    assert index["packets"].keys() == files
    assert len(files) == 2 * (4 + 2 * 5)
    for name, entry in index["packets"].items():
        data = (folder / name).read_bytes()
        packet = Path(name).stem
        assert packet in PACKETS
        assert entry["beats"] * 16 == len(data) == 16 * beats_of(CONFIG, ENGINE, packet, 5)
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        if packet not in TENSORS:
            continue
        beats = np.frombuffer(data, np.uint8).reshape(-1, 16)
        layer, sequence = int(name[5:7]), int(name[16:19])
        recorded = layer_tensors(bundle, layer)
        for tensor, rows in unpack_activation(CONFIG, ENGINE, packet, beats, 5).items():
            assert np.array_equal(rows, recorded[tensor][sequence])


def test_one_stage_is_exported_with_what_it_reads(packets: Packets, stage_bundle: Path) -> None:
    folder = packets(stage_bundle, "--layer", 1, "--stage", "attention")
    names = {str(path.relative_to(folder)) for path in folder.rglob("*.bin")}
    each = ("qkv", "hidden", "attention_output")
    assert names == {"layer01/attention_parameters.bin"} | {
        f"layer01/sequence{number:03d}/{packet}.bin" for number in (0, 1) for packet in each
    }


def test_options_of_packets_are_refused_for_tensors(cli: Run, stage_bundle: Path) -> None:
    (line,) = cli("export", stage_bundle, "--format", "bin", "--sequence", 9).err
    assert line == "transfab: --engine and --sequence are for --format beats, not bin"


def test_the_testbench_finds_every_byte_exact(
    testbench: Path, packets: Packets, stage_bundle: Path
) -> None:
    folder = packets(stage_bundle)
    exact = "packets compared, every byte exact\n"
    assert bench(testbench, folder) == Outcome(0, f"16 {exact}", [])
    assert bench(testbench, folder, *TOPS) == Outcome(0, f"28 {exact}", [])


@FLIPS
def test_the_testbench_names_the_first_wrong_integer(
    testbench: Path,
    packets: Packets,
    flipped: Flipped,
    stage: str,
    tensor: str,
    index: tuple[int, ...],
) -> None:
    bundle = flipped(stage, tensor, index)
    expected, got = values(bundle, stage, tensor, index)
    where = ", ".join(map(str, index))
    assert bench(testbench, packets(bundle)) == Outcome(
        1,
        f"layer 1 stage {stage} tensor {tensor}[{where}] expected {expected} got {got}\n"
        "16 packets compared, 1 NOT exact\n",
        [],
    )


@pytest.mark.parametrize(
    ("file", "at", "where"),
    [
        ("output", 2, "mask[0, 2]"),
        ("output", 7, "padding[0, 0, 7]"),
        ("qkv", 0, "query[0, 0, 0]"),
        # Rows of 8 in beats of 16: head 1, value, row 4, channel 5.
        ("qkv", 16 * (5 * 5 + 4) + 5, "value[0, 4, 13]"),
        ("qkv", 16 * 5 * 5 + 9, "padding[0, 25, 9]"),
        # The second block of 16 channels.
        ("intermediate", 16 * (5 + 3) + 2, "intermediate[0, 3, 18]"),
        # A high byte: the element is named.
        ("attention_output", 16 + 32 * 2 + 15, "attention_output[0, 2, 7]"),
    ],
)
def test_the_testbench_names_the_place_of_every_byte(
    testbench: Path, packets: Packets, stage_bundle: Path, file: str, at: int, where: str
) -> None:
    folder = packets(stage_bundle, "--layer", 0)
    path = folder / "layer00" / "sequence000" / f"{file}.bin"
    data = bytearray(path.read_bytes())
    data[at] ^= 64
    path.write_bytes(data)
    top = "attention" if file == "attention_output" else file
    done = bench(testbench, folder, top)
    assert done.code == 1
    assert done.out.startswith(f"layer 0 stage {top} tensor {where} expected ")
    size = 2 if file in ("attention_output", "output") and "padding" not in where else 1
    words = done.out.split("\n")[0].split()
    expected, got = int(words[-3]), int(words[-1])
    assert abs(expected - got) == (64 << 8 if at % 2 and size == 2 else 64)


def test_the_testbench_refuses_what_it_cannot_run(
    testbench: Path, packets: Packets, stage_bundle: Path, tmp_path: Path
) -> None:
    folder = packets(stage_bundle, "--layer", 0, "--stage", "qkv")
    good = (folder / "index.txt").read_text()
    for arguments, reason in (
        ((), "usage: main FOLDER [TOP ...]"),
        (
            (tmp_path / "no",),
            f"cannot read {tmp_path}/no/index.txt: write it with `transfab export",
        ),
        ((folder, "softmax"), "there is no top softmax"),
        ((folder, "output"), "cannot read "),
    ):
        done = bench(testbench, *arguments)
        assert (done.code, done.out, len(done.err)) == (2, "", 1), done
        assert done.err[0].startswith(reason)
    other = good.replace(build_hash(CONFIG, ENGINE), "0" * 16)
    for text, reason in (
        (other, "these kernels are .*: export it again with the engine"),
        ("", "these kernels are"),
        (good + "tensor 3\n", "has a line of another version: tensor"),
        (good.replace("layer 0\n", ""), "names no packet"),
        (good.replace("sequence 5", "sequence 71"), r"sequence must be in \[1, 70\]"),
        (good.replace("sequence 5", "sequence 6"), "layer 0 top qkv: stream .* read while it is"),
        (good.replace("sequence 5", "sequence 4"), "layer 0 top qkv: input 0 has 2 beats left"),
    ):
        (folder / "index.txt").write_text(text)
        done = bench(testbench, folder, "qkv")
        assert (done.code, done.out, len(done.err)) == (2, "", 1), done
        assert re.search(reason, done.err[0]), done.err
    (folder / "index.txt").write_text(good)
    path = folder / "layer00" / "qkv_parameters.bin"
    path.write_bytes(path.read_bytes()[:-1])
    assert "does not hold whole beats" in bench(testbench, folder, "qkv").err[0]


# What hls4ml does not ship of AMD's headers, as documented.
AXIS_WORD = """#pragma once
#include <ap_int.h>
template <int D, int U, int I, int T>
struct ap_axiu {
  ap_uint<D> data;
  ap_uint<D / 8> keep, strb;
  ap_uint<1> last;
};
"""


@pytest.mark.slow
def test_the_testbench_runs_on_amds_streams(
    packets: Packets, stage_bundle: Path, tmp_path: Path
) -> None:
    """As scripts/kernel.tcl compiles it, with AMD's hls_stream.h and ap_int.h."""
    if lack := missing("width_true"):
        pytest.skip(lack)
    folder, headers = packets(stage_bundle), copy_headers(tmp_path / "ap_types")
    (headers / "ap_axi_sdata.h").write_text(AXIS_WORD)
    flags = ["-std=c++17", "-O0", "-w", "-Doutput=output_stage", "-DTRANSFAB_WIDTH_TRUE"]
    flags += ["-DTRANSFAB_VENDOR_STREAMS", f"-I{folder}", "-isystem", str(headers)]
    units = [*(SOURCES / "tops").glob("*.cpp"), *(SOURCES / "testbench").glob("*.cpp")]
    run([[*(compiler() or []), *flags, "-o", str(tmp_path / "bench"), *map(str, units)]])
    exact = "28 packets compared, every byte exact\n"
    assert bench(tmp_path / "bench", folder, *TOPS) == Outcome(0, exact, [])
