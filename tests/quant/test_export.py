"""Exports parse back to the bundle's bytes, as the tools that read them would."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from transfab.quant.bundle import INPUT_FILE, read_bundle, stage_file
from transfab.quant.export import FORMATS, export, mem_text

Tensors = dict[str, np.ndarray]


def readmemh(text: str, bits: int) -> list[int]:
    """What $readmemh loads into `reg [bits-1:0] memory []`: words, comments, addresses."""
    memory: dict[int, int] = {}
    address = 0
    for line in text.splitlines():
        for word in line.partition("//")[0].split():
            if word.startswith("@"):
                address = int(word[1:], 16)
                continue
            value = int(word.replace("_", ""), 16)
            assert value < 1 << bits, f"{word} does not fit {bits} bits"
            memory[address] = value
            address += 1
    return [memory[index] for index in range(len(memory))]


def recorded(bundle_folder: Path) -> Tensors:
    """Every tensor of a bundle by the path that its export has."""
    bundle = read_bundle(bundle_folder)
    tensors: Tensors = {}
    for file in [INPUT_FILE, *(stage_file(layer, stage.name) for layer, stage in bundle.stages())]:
        for role in ("input", "parameter", "operator", "output"):
            for name, tensor in bundle.tensors(file, role).items():
                tensors[f"{file.removesuffix('.safetensors')}/{role}/{name}"] = tensor
    return tensors


def exported(folder: Path) -> dict[str, Path]:
    """Files of an export by path without suffix, the index aside."""
    return {
        str(path.relative_to(folder).with_name(path.name[: -len(path.suffix)])): path
        for path in folder.rglob("*")
        if path.is_file() and path.name != "index.json"
    }


def test_mem_words_are_twos_complement_and_load_back(tiny_bundle: Path, tmp_path: Path) -> None:
    export(read_bundle(tiny_bundle), tmp_path / "out", "mem")
    wanted, got = recorded(tiny_bundle), exported(tmp_path / "out")
    assert got.keys() == wanted.keys()
    for name, tensor in wanted.items():
        text = got[name].read_text(encoding="ascii")
        assert {len(line) for line in text.splitlines()} == {2 * tensor.itemsize}
        words = np.array(readmemh(text, 8 * tensor.itemsize), f"<u{tensor.itemsize}")
        assert words.tobytes() == tensor.tobytes(), name


@pytest.mark.parametrize(
    ("values", "dtype", "text"),
    [
        ([0, 1, -1, 127, -128], np.int8, "00\n01\nff\n7f\n80\n"),
        ([0, 255], np.uint8, "00\nff\n"),
        ([-1, -32767, 258], np.int16, "ffff\n8001\n0102\n"),
        ([-2, 1 << 26], np.int32, "fffffffe\n04000000\n"),
        ([-1, -(2**63), 2**63 - 1], np.int64, f"{'f' * 16}\n8{'0' * 15}\n7{'f' * 15}\n"),
        ([[1, 2], [3, 4]], np.int8, "01\n02\n03\n04\n"),
    ],
)
def test_mem_text_of_known_values(values: list[int], dtype: type, text: str) -> None:
    assert mem_text(np.array(values, dtype)) == text


def test_mem_text_is_in_c_order_whatever_the_memory_layout() -> None:
    tensor = np.arange(6, dtype=np.int8).reshape(2, 3)
    assert mem_text(np.asfortranarray(tensor)) == mem_text(tensor)
    assert mem_text(tensor.astype(">i2")) == mem_text(tensor.astype("<i2"))
    assert mem_text(np.array(-3, np.int64)) == "fffffffffffffffd\n"


def test_bin_files_are_little_endian_bytes(tiny_bundle: Path, tmp_path: Path) -> None:
    export(read_bundle(tiny_bundle), tmp_path / "out", "bin")
    wanted, got = recorded(tiny_bundle), exported(tmp_path / "out")
    assert got.keys() == wanted.keys()
    for name, tensor in wanted.items():
        little = tensor.astype(tensor.dtype.newbyteorder("<"))
        assert got[name].read_bytes() == little.tobytes(), name


def test_npy_files_load_without_pickle(tiny_bundle: Path, tmp_path: Path) -> None:
    export(read_bundle(tiny_bundle), tmp_path / "out", "npy")
    wanted, got = recorded(tiny_bundle), exported(tmp_path / "out")
    assert got.keys() == wanted.keys()
    for name, tensor in wanted.items():
        loaded = np.load(got[name], allow_pickle=False)
        assert (loaded.dtype, loaded.shape) == (tensor.dtype, tensor.shape), name
        assert loaded.tobytes() == tensor.tobytes(), name


@pytest.mark.parametrize("form", FORMATS)
def test_the_index_lists_every_file_with_shape_type_and_hash(
    tiny_bundle: Path, tmp_path: Path, form: str
) -> None:
    bundle = read_bundle(tiny_bundle)
    count, size = export(bundle, tmp_path / "out", form)
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert index.keys() == {"bundle_hash", "config", "config_hash", "layers", "tensors"}
    assert index["bundle_hash"] == bundle.manifest.bundle_hash
    assert index["config"] == bundle.config.as_dict()
    assert index["config_hash"] == bundle.config.hash
    assert index["layers"] == [0, 1]
    wanted = recorded(tiny_bundle)
    assert index["tensors"].keys() == {f"{name}.{form}" for name in wanted}
    for name, tensor in wanted.items():
        assert index["tensors"][f"{name}.{form}"] == {
            "shape": list(tensor.shape),
            "dtype": str(tensor.dtype),
            "sha256": hashlib.sha256(tensor.tobytes()).hexdigest(),
        }
    paths = exported(tmp_path / "out").values()
    assert (count, size) == (len(wanted), sum(path.stat().st_size for path in paths))


@pytest.mark.parametrize(
    ("layer", "stage", "folders"),
    [
        (1, None, {f"layer01.{s}" for s in ("qkv", "attention", "intermediate", "output")}),
        (None, "qkv", {"layer00.qkv", "layer01.qkv"}),
        (0, "output", {"layer00.output"}),
    ],
)
def test_a_layer_and_a_stage_choose_what_is_written(
    tiny_bundle: Path, tmp_path: Path, layer: int | None, stage: str | None, folders: set[str]
) -> None:
    export(read_bundle(tiny_bundle), tmp_path / "out", "bin", layer, stage)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {*folders, "input", "index.json"}
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert {name.partition("/")[0] for name in index["tensors"]} == {*folders, "input"}


@pytest.mark.parametrize(
    ("form", "layer", "stage", "reason"),
    [
        ("hex", None, None, "--format must be one of mem, bin, npy, beats, not hex"),
        ("mem", 2, None, "not layer 2 stage None"),
        ("mem", -1, None, "not layer -1"),
        ("mem", None, "softmax", "stages qkv, attention, intermediate, output, not .*softmax"),
    ],
)
def test_what_the_bundle_does_not_have_is_refused(
    tiny_bundle: Path, tmp_path: Path, form: str, layer: int | None, stage: str | None, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        export(read_bundle(tiny_bundle), tmp_path / "out", form, layer, stage)
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_replaced_only_by_force_and_only_if_it_is_one(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    bundle = read_bundle(tiny_bundle)
    export(bundle, tmp_path / "out", "mem")
    with pytest.raises(ValueError, match="exists: add --force"):
        export(bundle, tmp_path / "out", "bin")
    assert {path.suffix for path in exported(tmp_path / "out").values()} == {".mem"}
    export(bundle, tmp_path / "out", "bin", force=True)
    assert {path.suffix for path in exported(tmp_path / "out").values()} == {".bin"}
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.json").write_text("[]")
    with pytest.raises(ValueError, match="is not replaced"):
        export(bundle, site, "bin", force=True)
    assert (site / "index.json").read_text() == "[]"
