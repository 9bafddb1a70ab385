"""Bundles on disk: what is written is what is read, byte for byte, or nothing is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from transfab.quant.bert.layer import STAGES, run_layer
from transfab.quant.bundle import (
    INPUT_FILE,
    Bundle,
    BundleError,
    read_bundle,
    scales_file,
    stage_file,
    writing,
)
from transfab.quant.executors import IntegerExecutor, verify
from transfab.quant.parameters import flatten

MakeBundle = Callable[..., Path]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def reseal(folder: Path, change: Callable[[Bundle], object]) -> None:
    """Write the manifest again after `change` replaced some of its fields."""
    manifest = read_bundle(folder).manifest
    fields = change(Bundle(folder, manifest))
    sealed = manifest.model_copy(update=fields).sealed()
    (folder / "manifest.json").write_bytes(sealed.to_bytes())


@pytest.mark.parametrize("residual_bits", [8, 16])
@pytest.mark.parametrize("level", ["stage", "op"])
def test_a_request_gives_the_same_files_twice(
    make_bundle: MakeBundle, tmp_path: Path, level: str, residual_bits: int
) -> None:
    one = make_bundle(tmp_path / "one", level=level, residual_bits=residual_bits)
    two = make_bundle(tmp_path / "two", level=level, residual_bits=residual_bits)
    assert files(one) == files(two)
    assert read_bundle(one).manifest.bundle_hash == read_bundle(two).manifest.bundle_hash


@pytest.mark.parametrize("layers", [range(1), range(1, 2), range(2)])
@pytest.mark.parametrize("level", ["stage", "op"])
def test_every_tensor_is_read_as_it_was_written(
    make_bundle: MakeBundle, tmp_path: Path, level: str, layers: range
) -> None:
    bundle = read_bundle(make_bundle(tmp_path / "bundle", level=level, layers=layers))
    assert bundle.manifest.layers == list(layers)
    for file in [INPUT_FILE, *(stage_file(layer, stage.name) for layer, stage in bundle.stages())]:
        stored = load_file(bundle.folder / file)
        read = {
            f"{role}/{name}": tensor
            for role in ("input", "parameter", "operator", "output")
            for name, tensor in bundle.tensors(file, role).items()
        }
        assert read.keys() == stored.keys() == bundle.manifest.files[file].tensors.keys()
        for name, tensor in stored.items():
            assert read[name].dtype == tensor.dtype
            assert read[name].shape == tensor.shape
            assert read[name].tobytes() == tensor.tobytes()


def test_a_bundle_holds_what_running_its_layers_one_after_the_other_gives(
    tiny_bundle: Path,
) -> None:
    bundle = read_bundle(tiny_bundle)
    start = bundle.tensors(INPUT_FILE)
    hidden = start["hidden"]
    for layer in bundle.manifest.layers:
        made = run_layer(bundle.config, bundle.layer_parameters(layer), hidden, start["mask"])
        recorded: dict[str, np.ndarray] = {}
        for stage in STAGES:
            recorded |= bundle.tensors(stage_file(layer, stage.name))
        assert recorded.keys() == made.keys() - {"hidden", "mask"}
        for name, tensor in recorded.items():
            assert tensor.dtype == made[name].dtype, name
            assert tensor.tobytes() == made[name].tobytes(), name
        hidden = made["output"]


def test_two_texts_are_one_batch_with_masked_padding(tiny_bundle: Path) -> None:
    inputs = read_bundle(tiny_bundle).tensors(INPUT_FILE)
    assert inputs["hidden"].shape == (2, 5, 16)
    assert inputs["mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert not inputs["hidden"][1, 3:].any()
    assert inputs["hidden"][1, :3].any(axis=1).all()


def test_the_next_layer_reads_what_the_layer_before_wrote(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    wrote = bundle.tensors(stage_file(0, "output"), "output")["output"]
    for stage in (STAGES[0], STAGES[1]):
        assert bundle.stage_inputs(1, stage)["hidden"].tobytes() == wrote.tobytes()
    first = bundle.tensors(INPUT_FILE)["hidden"]
    assert bundle.stage_inputs(0, STAGES[0])["hidden"].tobytes() == first.tobytes()
    assert wrote.tobytes() != first.tobytes()


def test_stage_inputs_are_what_the_stages_were_given(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[tuple[int, str], dict[str, bytes]] = {}
    run = IntegerExecutor.run

    def recording(self, config, stage, params, inputs):  # type: ignore[no-untyped-def]
        layer = sum(name == stage.name for _, name in seen)
        seen[layer, stage.name] = {name: inputs[name].tobytes() for name in stage.inputs}
        return run(self, config, stage, params, inputs)

    monkeypatch.setattr(IntegerExecutor, "run", recording)
    bundle = read_bundle(make_bundle(tmp_path / "bundle", quick=True))
    assert len(seen) == 8
    for layer, stage in bundle.stages():
        inputs = bundle.stage_inputs(layer, stage)
        assert list(inputs) == list(stage.inputs)
        assert {n: t.tobytes() for n, t in inputs.items()} == seen[layer, stage.name]


@pytest.mark.parametrize("residual_bits", [8, 16])
def test_running_a_bundle_again_is_exact(
    make_bundle: MakeBundle, tmp_path: Path, residual_bits: int
) -> None:
    bundle = read_bundle(make_bundle(tmp_path / "bundle", residual_bits=residual_bits))
    results = verify(bundle, [IntegerExecutor()])
    assert [(result.layer, result.stage) for result in results] == [
        (layer, stage.name) for layer, stage in bundle.stages()
    ]
    recorded = [
        tensor
        for layer, stage in bundle.stages()
        for tensor in bundle.tensors(stage_file(layer, stage.name)).values()
    ]
    assert sum(result.tensors for result in results) == len(recorded)
    assert sum(result.integers for result in results) == sum(tensor.size for tensor in recorded)
    assert not any(result.mismatches for result in results)


def test_the_stage_level_holds_the_outputs_of_the_operator_level(
    tiny_bundle: Path, stage_bundle: Path
) -> None:
    whole, outputs = read_bundle(tiny_bundle), read_bundle(stage_bundle)
    assert whole.manifest.bundle_hash != outputs.manifest.bundle_hash
    for layer, stage in whole.stages():
        file = stage_file(layer, stage.name)
        read = outputs.tensors(file)
        assert tuple(read) == stage.outputs
        for name, tensor in read.items():
            assert tensor.tobytes() == whole.tensors(file, "output")[name].tobytes()
        parameters = outputs.tensors(file, "parameter")
        for name, leaf in flatten(whole.parameters(layer, stage)).items():
            assert parameters[name].tobytes() == np.asarray(leaf).tobytes()


def test_scales_are_read_exactly_and_name_real_tensors(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    stored = json.loads((tiny_bundle / scales_file(1)).read_text())
    scales = bundle.scales(1)
    assert scales.keys() == stored.keys()
    for name, affine in scales.items():
        assert [value.hex() for value in affine.scale.tolist()] == stored[name]["scale"]
        assert [value.hex() for value in affine.center.tolist()] == stored[name]["center"]
    next_hidden, output = bundle.scales(1)["hidden"], bundle.scales(0)["output"]
    assert next_hidden.scale.tobytes() == output.scale.tobytes()


def test_versions_are_provenance_and_not_part_of_the_bundle_hash(tiny_bundle: Path) -> None:
    manifest = read_bundle(tiny_bundle).manifest
    other = manifest.model_copy(update={"versions": {"python": "4"}}).sealed()
    assert other.bundle_hash == manifest.bundle_hash
    assert other.checksum != manifest.checksum


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), writing(tmp_path / "new" / "bundle") as writer:
        writer.add_tensors(INPUT_FILE, {"input": {"mask": np.ones((1, 2), np.uint8)}})
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_tensor_type_that_no_bundle_holds_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dtype"), writing(tmp_path / "bundle") as writer:
        writer.add_tensors(INPUT_FILE, {"input": {"hidden": np.ones((1, 2), np.float32)}})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"layers": [0, 2]}, "layers must be consecutive"),
        ({"layers": [0, 0]}, "layers must be consecutive"),
        ({"layers": [0]}, "has no place in a bundle"),
        ({"layers": [1, 2]}, "layers must be consecutive and below 2"),
        ({"level": "stage"}, "must be absent"),
    ],
)
def test_a_manifest_that_describes_no_whole_bundle_is_refused(
    bundle_copy: Path, change: dict[str, object], reason: str
) -> None:
    reseal(bundle_copy, lambda bundle: change)
    with pytest.raises(BundleError, match=reason):
        read_bundle(bundle_copy)


def test_an_operator_bundle_without_one_of_its_tensors_is_refused(bundle_copy: Path) -> None:
    def drop(bundle: Bundle) -> dict[str, object]:
        entry = bundle.manifest.files["layer01.attention.safetensors"]
        tensors = {name: t for name, t in entry.tensors.items() if name != "operator/scores"}
        changed = entry.model_copy(update={"tensors": tensors})
        return {"files": bundle.manifest.files | {"layer01.attention.safetensors": changed}}

    reseal(bundle_copy, drop)
    with pytest.raises(BundleError, match=r"operator/scores' must be \(2, 2, 5, 5\) int32"):
        read_bundle(bundle_copy)


def test_parameters_that_break_a_bound_are_refused(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    leaves = bundle.tensors(stage_file(0, "qkv"), "parameter")
    leaves["query.weight"] = np.full_like(leaves["query.weight"], -128)
    broken = SimpleNamespace(manifest=bundle.manifest, folder=bundle.folder)
    broken.tensors = lambda file, role: leaves
    with pytest.raises(BundleError, match=r"weight must be in \[-127, 127\]"):
        Bundle.parameters(broken, 0, STAGES[0])  # type: ignore[arg-type]


def test_a_file_that_is_a_link_to_the_same_bytes_is_read(bundle_copy: Path) -> None:
    moved = bundle_copy.parent / "elsewhere"
    shutil.move(bundle_copy / INPUT_FILE, moved)
    (bundle_copy / INPUT_FILE).symlink_to(moved)
    assert read_bundle(bundle_copy).tensors(INPUT_FILE)["mask"].shape == (2, 5)


def test_a_file_that_changes_after_opening_is_refused_when_it_is_read(bundle_copy: Path) -> None:
    bundle = read_bundle(bundle_copy)
    path = bundle_copy / stage_file(0, "qkv")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=r"layer00.qkv.safetensors: tensor .* differs"):
        bundle.parameters(0, STAGES[0])
