"""`transfab build`: what it writes, what it says without AMD's tools, and a run with stand-ins."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transfab.quant.bitstreams import parse_bitstreams
from transfab.quant.contract.codegen import cpp_header
from transfab.quant.engine import Engine, Tile, build_hash
from transfab.quant.random_source import RandomSource

Run = Callable[..., Any]
TINY = RandomSource("bert-tiny").config(16)
# Each writes what the real one would and a line of its call.
TOOLS = {
    "vitis_hls": 'mkdir -p "$TRANSFAB_OUT" && touch "$TRANSFAB_OUT/$TRANSFAB_TOP.xo"\n'
    'test -f "$TRANSFAB_CONFIG/config.hpp" && test -d "$TRANSFAB_SOURCES/tops"\n'
    'echo "hls $2 $TRANSFAB_TOP $TRANSFAB_PART $TRANSFAB_PERIOD $TRANSFAB_FORMAT" >> "$CALLS"',
    "v++": 'echo "v++ $*" >> "$CALLS"; while [ "$1" != -o ]; do shift; done; echo bits > "$2"',
    "vivado": 'mkdir -p "$TRANSFAB_OUT"\n'
    'for end in bit hwh; do echo "$end" > "$TRANSFAB_OUT/$TRANSFAB_KERNEL.$end"; done\n'
    'echo "vivado $* $TRANSFAB_KERNEL $TRANSFAB_INPUTS $TRANSFAB_OUTPUT" >> "$CALLS"',
}


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with make and a shell, and none of AMD's tools; the folder that is all of it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("make", "sh", "mkdir", "touch", "cp", "test", "echo"):
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"no {name}")
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def tools(no_tools: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same with stand-ins for AMD's; the file of their calls."""
    calls = no_tools.parent / "calls"
    monkeypatch.setenv("CALLS", str(calls))
    for name, body in TOOLS.items():
        (no_tools / name).write_text(f"#!{shutil.which('sh')}\nset -e\n{body}\n")
        (no_tools / name).chmod(0o755)
    return calls


def test_a_list_names_every_board_and_its_recipe(cli: Run) -> None:
    done = cli("build", "--list")
    assert done.code == 0
    for name in ("u200", "u280", "u55c", "zcu104", "kv260", "pynq-z2"):
        assert name in done.out
    assert "unverified" in done.out
    found = {one["name"]: one for one in cli("build", "--list", "--json").json["targets"]}
    assert found["pynq-z2"]["part"] == "xc7z020clg400-1"
    assert Engine.from_dict(found["u280"]["engine"]) == Engine(sequence=128)


def test_a_dry_run_writes_the_folder_and_succeeds(cli: Run, no_tools: Path, tmp_path: Path) -> None:
    done = cli("build", "--target", "pynq-z2", "--dry-run", "--json")
    assert (done.code, done.err) == (0, [])
    folder = tmp_path / "build/pynq-z2-two"
    assert done.json["folder"] == "build/pynq-z2-two"
    assert (done.json["dry_run"], done.json["made"]) == (True, {})
    assert json.loads((folder / "build.json").read_text())["build_hash"] == done.json["build_hash"]
    engine = Engine.from_dict(done.json["engine"])
    assert (folder / "config/config.hpp").read_text() == cpp_header(TINY, engine)
    assert {path.name for path in (folder / "scripts").iterdir()} == {
        "kernel.tcl",
        "block_design.tcl",
    }
    assert not (folder / "link").exists()
    assert cli("build", "--target", "pynq-z2", "--dry-run").out.startswith(
        f"build/pynq-z2-two: build {build_hash(TINY, engine)}, config {TINY.hash}, two boards"
    )


@pytest.mark.parametrize(
    ("target", "lacks"),
    [
        ("u55c", "vitis_hls or vitis-run and v++ on PATH (Vitis 2023.2 to 2024.2)"),
        ("kv260", "vitis_hls or vitis-run and vivado on PATH (Vitis and Vivado 2023.2 to 2024.2)"),
    ],
)
def test_missing_tools_are_one_line_with_the_way_on(
    cli: Run, no_tools: Path, tmp_path: Path, target: str, lacks: str
) -> None:
    done = cli("build", "--target", target, "--out", tmp_path / "out")
    assert done.code == 1
    assert done.out == ""
    (line,) = done.err
    assert line.startswith(f"transfab: {target} needs {lacks}, not found here: ")
    assert f"{tmp_path / 'out'} is written whole" in line
    assert f"`make -C {tmp_path / 'out'}`" in line
    assert (tmp_path / "out/Makefile").is_file()
    assert cli("build", "--target", target, "--out", tmp_path / "out", "--json").json == {
        "error": line.removeprefix("transfab: ")
    }


def test_only_the_missing_tool_is_named(cli: Run, tools: Path, no_tools: Path) -> None:
    (no_tools / "v++").unlink()
    (no_tools / "vitis_hls").rename(no_tools / "vitis-run")
    (line,) = cli("build", "--target", "u280").err
    assert "u280 needs v++ on PATH" in line


def test_the_tools_make_every_kernel_and_the_bitstream(
    cli: Run, tools: Path, tmp_path: Path
) -> None:
    done = cli("build", "--target", "u280", "--plan", "split", "--random", "bert-tiny", "--json")
    assert done.code == 0, done.err
    (name,) = done.json["products"]
    assert name == f"board_a-board_b-{done.json['build_hash']}.xclbin"
    assert done.json["made"] == {name: hashlib.sha256(b"bits\n").hexdigest()}
    calls = tools.read_text().splitlines()
    kernels = ["board_a", "board_b", "read_memory", "write_memory"]
    made = [f"hls scripts/kernel.tcl {one} xcu280-fsvh2892-2L-e 3.333 xo" for one in kernels]
    assert calls[:-1] == made
    objects = " ".join(f"kernels/{one}.xo" for one in kernels)
    assert calls[-1] == f"v++ --link --config link/board_a-board_b.cfg -o {name} {objects}"
    # What is made is not made again.
    assert cli("build", "--target", "u280", "--plan", "split", "--random", "bert-tiny").code == 0
    assert tools.read_text().splitlines() == calls


def test_vivado_gets_a_block_and_its_ports(cli: Run, tools: Path, tmp_path: Path) -> None:
    done = cli("build", "--target", "pynq-z2", "--out", "z2")
    assert done.code == 0, done.err
    calls = tools.read_text().splitlines()
    assert [line.split()[0] for line in calls] == ["hls", "vivado"] * 2
    assert calls[1].endswith(
        "block_design.tcl board_a hidden qkv_parameters attention_parameters attention_output"
    )
    products = sorted(path.name for path in Path("z2").glob("board_*"))
    assert [name.rpartition(".")[2] for name in products] == ["bit", "hwh"] * 2
    for name in products:
        assert name in done.out


def test_a_tool_that_fails_is_said_and_the_folder_stays(
    cli: Run, tools: Path, no_tools: Path
) -> None:
    (no_tools / "v++").write_text(f"#!{shutil.which('sh')}\nexit 3\n")
    (line,) = [one for one in cli("build", "--target", "u280").err if "transfab:" in one]
    assert "make -C build/u280-one failed with exit code 2" in line
    assert Path("build/u280-one/kernels/layer.xo").is_file()


def test_another_build_is_replaced_by_force_only(cli: Run, no_tools: Path, tmp_path: Path) -> None:
    given = ("build", "--target", "u200", "--out", tmp_path / "out", "--dry-run")
    assert cli(*given).code == 0
    assert cli(*given).code == 0  # the same: kept
    (line,) = cli(*given, "--sequence", 64).err
    assert "exists: add --force to replace it" in line
    assert cli(*given, "--sequence", 64, "--force").code == 0
    assert json.loads((tmp_path / "out/build.json").read_text())["engine"]["sequence"] == 64


def test_config_of_a_bundle_and_engine_of_a_file(
    cli: Run, no_tools: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    tile = Tile(4, 16)
    engine = Engine(tile, tile, tile, tile, 16, 32)
    (tmp_path / "engine.json").write_text(json.dumps(engine.as_dict()))
    done = cli(
        *("build", "--target", "zcu104", "--plan", "one", "--dry-run", "--json"),
        *("--config", tiny_bundle, "--engine", tmp_path / "engine.json"),
    )
    assert done.code == 0, done.err
    assert (done.json["config"]["hidden"], done.json["config"]["heads"]) == (16, 2)
    assert Engine.from_dict(done.json["engine"]) == engine


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give a --target; transfab build --list prints them"),
        (("--target", "u250"), "--target must be one of u200, u280, u55c, zcu104, kv260, pynq-z2"),
        (("--target", "u280", "--plan", "half"), "--plan must be one of one, split, two, not half"),
        (("--target", "u280", "--random", "gpt"), "--random must be one of bert-tiny"),
        (("--target", "u280", "--sequence", 0), "engine sequence must be an integer in [1, 512]"),
        (("--target", "pynq-z2", "--random", "bert-base"), "pynq-z2 has"),
        (("--target", "kv260", "--plan", "split"), "kv260 runs one kernel a board"),
        (("--list", "--estimate"), "give one of --list, --recipes, --resources, --estimate and"),
        (("--recipes",), "give --out with --recipes, such as --out bitstreams"),
        (("--target", "u280", "--config", "x", "--random", "y"), "give --config or --random"),
        (("--target", "u280", "--config", "nowhere"), "nowhere"),
    ],
)
def test_bad_options_are_one_line(
    cli: Run, no_tools: Path, options: tuple[object, ...], message: str
) -> None:
    done = cli("build", *options)
    assert done.code == 1
    (line,) = done.err
    assert message in line
    assert not Path("build").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"qkv": 1}', '{"pe": 1}'])
def test_an_engine_file_that_holds_no_engine_is_one_line(
    cli: Run, no_tools: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "engine.json").write_text(text)
    done = cli("build", "--target", "u280", "--engine", tmp_path / "engine.json")
    assert done.code == 1
    assert len(done.err) == 1


def test_an_estimate_says_that_it_is_one(cli: Run) -> None:
    done = cli("build", "--estimate", "--random", "bert-base", "--sequence", 128)
    assert done.code == 0
    assert "estimated cycles of each operator" in done.out
    assert "assumed: II = 1" in done.out
    found = cli("build", "--estimate", "--json").json["figures"]
    assert {figure["kind"] for figure in found} == {"estimated"}
    assert {"name", "value", "unit", "kind"} == found[0].keys()
    values = {figure["name"]: figure["value"] for figure in found}
    assert values["layer.attention.products"] == 98_304


def test_recipes_are_written_and_read_back(cli: Run, tmp_path: Path) -> None:
    done = cli("build", "--recipes", "--out", tmp_path / "out", "--json")
    assert done.code == 0
    manifest = parse_bitstreams((tmp_path / "out/manifest.json").read_bytes())
    assert {entry.board for entry in manifest.bitstreams} == {
        path for path in os.listdir(tmp_path / "out") if path != "manifest.json"
    }
    assert all(entry.sha256 is None for entry in manifest.bitstreams)
    assert "manifest.json" in done.json["files"]
