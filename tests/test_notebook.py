"""The notebook of the layer: it runs, it holds the original's cells, and its asserts can fail."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from transfab.quant import quant_layer
from transfab.quant.bert import attention, intermediate, layernorm, output, qkv, softmax
from transfab.quant.bert.layer import LayerParameters

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks/quant_layer.ipynb"
SECONDS = 240

# One process runs the clean cells once for all the tests below.
pytestmark = pytest.mark.xdist_group("notebook")


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def execute(notebook: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run all cells in a kernel of their own, in `folder`, without the network."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, timeout=SECONDS, resources=resources).execute()


def output_text(notebook: Any, cell_id: str) -> str:
    (cell,) = (cell for cell in notebook.cells if cell.id == cell_id)
    return str(cell.outputs[0].data["text/plain"])


def test_the_notebook_is_stored_valid_and_without_outputs() -> None:
    notebook = read()
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []


def test_the_notebook_keeps_the_originals_names() -> None:
    source = "\n".join(cell.source for cell in read().cells if cell.cell_type == "code")
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    stage1 = {f"stage1_{x}_{y}" for x in ("query", "key", "value") for y in ("gt_int", "uut")}
    others = {"embedding_output", "attention_out", "output_gt", "output_scale", "output_test"}
    small = {"seqlen", "dmodel", "genmat", "query_weight_t", "key_bias", "query"}
    assert (stage1 | others | small | {"stage2_gt_int", "stage2_uut"}) - names == set()
    calls = ["pipeline(", "stage1_dynamic(", "stage2_dynamic(", "stage1(", "stage2(", "stage3("]
    assert [call for call in [*calls, "stage4("] if f"quant_layer.{call}" not in source] == []


def test_every_cell_runs_in_a_kernel_and_every_assertion_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = execute(read(), tmp_path, monkeypatch)
    assert output_text(done, "factor-probabilities") == repr(1 / 16383)
    assert len(ast.literal_eval(output_text(done, "factor-projections"))) == 3


def test_a_truncating_requantization_stops_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = read()
    fault = (
        "import transfab.quant.intmath as m\nm.round_shift = lambda value, shift: value >> shift"
    )
    notebook.cells.insert(0, nbformat.v4.new_code_cell(fault))
    with pytest.raises(CellExecutionError, match="AssertionError"):
        execute(notebook, tmp_path, monkeypatch)


def failing(names: dict[str, Any], *prefixes: str) -> list[str]:
    """Run code cells here, those whose id starts so; returns those whose assertion fails."""
    found = []
    for cell in read().cells:
        if cell.cell_type == "code" and cell.id.startswith(prefixes):
            try:
                exec(compile(cell.source, cell.id, "exec"), names)
            except AssertionError:
                found.append(cell.id)
    return found


@pytest.fixture(scope="module")
def clean() -> Iterator[dict[str, Any]]:
    """The notebook's names after a run of its main part without a fault."""
    names: dict[str, Any] = {}
    gradients, threads = torch.is_grad_enabled(), torch.get_num_threads()
    torch.set_num_threads(1)
    main = ("imports", "embedding", "float", "quantize", "pipeline", "stage")
    assert failing(names, *main) == []
    yield names
    torch.set_grad_enabled(gradients)
    torch.set_num_threads(threads)


UNDER_TEST = tuple(f"stage-{stage}-{part}" for stage in (1, 2, 3, 4) for part in ("run", "assert"))


def floor_shift(value: Any, shift: Any) -> Any:
    return np.asarray(value >> np.asarray(shift, np.int64), np.int64)


def truncated(acc: Any, scale: Any, bits: int) -> Any:
    product = acc.astype(np.int64) * scale.multiplier + scale.offset
    limit = (1 << (bits - 1)) - 1
    return np.clip(product >> scale.shift, -limit, limit).astype(f"int{bits}")


def unscaled(acc: Any, scale: Any, bits: int) -> Any:
    # Kept off the one value that the next stage refuses.
    return np.maximum(acc.astype(f"int{bits}"), 1 - 2 ** (bits - 1))


def skip_times(factor: int, residual: Any) -> Any:
    return lambda params, acc, skip: residual(params, acc, factor * skip.astype(np.int16))


FAULTS: dict[str, tuple[Any, str, Any, str]] = {
    "stage 1 truncates": (qkv, "requantize", truncated, "stage-1-assert"),
    "stage 1 casts without scaling": (qkv, "requantize", unscaled, "stage-1-assert"),
    "context truncates": (attention, "requantize", truncated, "stage-2-assert"),
    "softmax index truncates": (softmax, "round_shift", floor_shift, "stage-2-assert"),
    "residual counts twice": (
        attention,
        "residual",
        skip_times(2, attention.residual),
        "stage-2-assert",
    ),
    "layernorm truncates": (layernorm, "round_shift", floor_shift, "stage-2-assert"),
    "gelu requantization truncates": (intermediate, "requantize", truncated, "stage-3-assert"),
    "gelu is a rectifier": (
        intermediate,
        "gelu",
        lambda x, table, bits: np.maximum(x, 0),
        "stage-3-assert",
    ),
    "stage 4 forgets its skip input": (
        output,
        "residual",
        skip_times(0, output.residual),
        "stage-4-assert",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_fails_in_its_own_stage_first(
    name: str, clean: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, attribute, fault, stage = FAULTS[name]
    monkeypatch.setattr(module, attribute, fault)
    under_test = ("pipeline-run", "pipeline-assert", *UNDER_TEST)
    failed = failing(dict(clean), *under_test)
    assert failed[0] == "pipeline-assert"
    assert failed[1] == stage


@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_one_changed_integer_of_the_ground_truth_fails_its_stage(
    stage: int, clean: dict[str, Any]
) -> None:
    names = dict(clean)
    name = "stage1_value_gt_int" if stage == 1 else f"stage{stage}_gt_int"
    names[name] = names[name].clone()
    names[name][0, -1, -1] += 1
    assert failing(names, *(f"stage-{n}-assert" for n in (1, 2, 3, 4))) == [f"stage-{stage}-assert"]


def test_a_wrong_softmax_divisor_shows_only_against_the_float_module(
    clean: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both integer sides share the packed divisor: no comparison of integers can see it."""
    pack = quant_layer.pack_layer

    def wrong(*args: Any) -> LayerParameters:
        params = pack(*args)
        scores = (params.attention.scores_multiplier // 4).astype(np.int32)
        return replace(params, attention=replace(params.attention, scores_multiplier=scores))

    monkeypatch.setattr(quant_layer, "pack_layer", wrong)
    failed = failing(dict(clean), "float", "pipeline", "stage")
    assert failed == ["pipeline-float-assert", "stages-float-assert"]
