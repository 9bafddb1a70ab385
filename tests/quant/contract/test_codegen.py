"""Generated C++ and SystemVerilog hold the build's constants, compile and lint."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from strategies import Shape
from stream_oracle import BUILDS, STAGES, Build

from transfab.quant import config as arithmetic
from transfab.quant.bert.names import TENSORS
from transfab.quant.config import LayerConfig
from transfab.quant.contract.codegen import cpp_header, sv_package
from transfab.quant.contract.layout import parameter_beats
from transfab.quant.contract.registers import REGISTERS
from transfab.quant.engine import Engine, Tile, build_hash
from transfab.quant.native.build import compiler, missing_compiler

ROOT = Path(__file__).resolve().parents[3]
LARGEST = Tile(256, 64)
ALL = [
    *BUILDS,
    Build(Shape(768, 12, 3136, 16), 64, Engine()),
    Build(Shape(1024, 1024, 4160, 16), 64, Engine(LARGEST, LARGEST, LARGEST, LARGEST)),
]
each_build = pytest.mark.parametrize("build", ALL, ids=lambda build: f"E{build.shape.hidden}")


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def expected(build: Build) -> dict[str, int]:
    """Every integer of `Config`, by its name in SystemVerilog."""
    shape, engine, config = build.shape, build.engine, build.config()
    values = {
        "Hidden": shape.hidden,
        "Heads": shape.heads,
        "HeadSize": shape.hidden // shape.heads,
        "Inner": shape.feed_forward,
        "FeedForward": shape.feed_forward - build.copies,
        "Copies": build.copies,
        "Sequence": engine.sequence,
        "ResidualBits": shape.residual_bits,
        "BeatBytes": engine.beat_bytes,
        "MeanShift": config.mean_shift,
        "MeanMultiplier": config.mean_multiplier,
        "ExponentialEntries": arithmetic.EXPONENTIAL_ENTRIES,
        "ExponentialTableBits": arithmetic.EXPONENTIAL_BITS,
        "GeluEntries": arithmetic.GELU_ENTRIES,
        "GeluEntriesPerUnitBits": 6,
        "ContextFractionBits": arithmetic.CONTEXT_FRACTION_BITS,
        "NormalizedFractionBits": arithmetic.NORMALIZED_FRACTION_BITS,
        "MultiplierBits": 18,
        "AccumulatorBits": 27,
        "ProductBits": 48,
    }
    for stage in STAGES:
        tile = getattr(engine, stage)
        values |= {f"{camel(stage)}Pe": tile.pe, f"{camel(stage)}Simd": tile.simd}
        values[f"{camel(stage)}ParametersBeats"] = parameter_beats(config, engine, stage)
    assert 1 << values["GeluEntriesPerUnitBits"] == values["GeluEntries"] // arithmetic.GELU_RANGE
    return values | {f"{camel(name)}Bits": info.bits for name, info in TENSORS.items()}


def parse(pattern: str, text: str) -> dict[str, int]:
    found = re.findall(pattern, text, re.MULTILINE)
    assert len({name for name, _ in found}) == len(found)
    return {name: int(value, 0) for name, value in found}


def tool(name: str) -> str:
    """Path of a program in the environment or on PATH; skips by name without it."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    return beside or pytest.skip(f"{name} is not installed")


def passes(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@each_build
def test_cpp_holds_every_constant(build: Build) -> None:
    config, engine = build.config(), build.engine
    text = cpp_header(config, engine)
    body, registers = text.split("struct Registers {")
    assert parse(r"^  static constexpr int k(\w+) = (\d+);", body) == expected(build)
    assert f"  static constexpr std::uint64_t kBuildHash = 0x{build_hash(config, engine)};" in body
    offsets = {camel(one.name): one.offset for one in REGISTERS}
    assert parse(r"^  static constexpr int k(\w+) = (0x\w\w);", registers) == offsets


@each_build
def test_systemverilog_holds_every_constant(build: Build) -> None:
    config, engine = build.config(), build.engine
    text = sv_package(config, engine)
    assert parse(r"^  localparam int unsigned (\w+) = (\d+);", text) == expected(build)
    hexadecimal = text.replace("32'h", "0x")
    offsets = {f"Register{camel(one.name)}": one.offset for one in REGISTERS}
    assert parse(r"^  localparam int unsigned (\w+) = (0x\w\w);", hexadecimal) == offsets
    assert f"  localparam logic [63:0] BuildHash = 64'h{build_hash(config, engine)};" in text
    assert len(re.findall("localparam", text)) == len(expected(build)) + len(offsets) + 1


@each_build
@pytest.mark.parametrize("generate", [cpp_header, sv_package])
def test_a_text_says_what_it_was_made_from_and_is_always_the_same(
    build: Build, generate: Callable[[LayerConfig, Engine], str]
) -> None:
    config, engine = build.config(), build.engine
    text = generate(config, engine)
    assert text == generate(build.config(), Engine.from_dict(engine.as_dict()))
    head = itertools.takewhile(lambda line: line.startswith("//"), text.splitlines())
    comment = " ".join(line.removeprefix("//").strip() for line in head)
    assert comment.startswith("Generated by transfab, do not edit") and "transfab build" in comment
    assert f"config {config.hash}: " in comment and f"engine {engine.hash}: " in comment
    assert f"build {build_hash(config, engine)}" in comment
    assert all(f"{name} {value}" in comment for name, value in config.as_dict().items())
    assert f"qkv {engine.qkv.pe} x {engine.qkv.simd}," in comment
    assert f"beat_bytes {engine.beat_bytes}, sequence {engine.sequence}" in comment
    assert max(map(len, text.splitlines())) <= 100
    assert text.isascii() and text.endswith("\n") and not re.search(r"[ \t]$", text, re.MULTILINE)


@each_build
def test_cpp_compiles_without_warnings(build: Build, tmp_path: Path) -> None:
    command = compiler()
    if command is None:
        pytest.skip(missing_compiler())
    (tmp_path / "config.hpp").write_text(cpp_header(build.config(), build.engine))
    asserts = [f"transfab::Config::k{name} == {value}" for name, value in expected(build).items()]
    asserts += [f"transfab::Registers::k{camel(r.name)} == {r.offset}" for r in REGISTERS]
    asserts.append(f"transfab::Config::kBuildHash == 0x{build_hash(build.config(), build.engine)}u")
    asserts.append("sizeof(transfab::Config::kBuildHash) == 8")
    lines = ['#include "config.hpp"', *(f'static_assert({one}, "{one}");' for one in asserts)]
    (tmp_path / "check.cpp").write_text("\n".join(lines) + "\n")
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"]
    passes(*command, *flags, "-fsyntax-only", tmp_path / "check.cpp")


@each_build
def test_cpp_is_formatted(build: Build, tmp_path: Path) -> None:
    clang_format = tool("clang-format")
    (tmp_path / "config.hpp").write_text(cpp_header(build.config(), build.engine))
    style = f"--style=file:{ROOT / '.clang-format'}"
    passes(clang_format, style, "--dry-run", "--Werror", tmp_path / "config.hpp")


@pytest.mark.parametrize("build", [ALL[0], ALL[-2]], ids=["small", "base"])
@pytest.mark.parametrize(
    "command",
    [
        ("verible-verilog-lint",),
        ("verible-verilog-format", "--verify"),
        ("verilator", "--lint-only", "-Wall", "-Wno-UNUSEDPARAM"),
    ],
    ids=lambda command: command[0],
)
def test_systemverilog_lints(build: Build, command: tuple[str, ...], tmp_path: Path) -> None:
    program = tool(command[0])
    (tmp_path / "transfab_pkg.sv").write_text(sv_package(build.config(), build.engine))
    passes(program, *command[1:], tmp_path / "transfab_pkg.sv")
