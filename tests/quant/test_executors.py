"""Comparing bytes: the first difference is named by stage, tensor, index and both values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transfab.quant.bert.layer import STAGES
from transfab.quant.bundle import read_bundle
from transfab.quant.executors import (
    IntegerExecutor,
    Mismatch,
    compare,
    first_difference,
    verify,
)


@dataclass(frozen=True)
class Planted:
    """The integer executor with one wrong integer in one tensor of every layer."""

    stage: str
    tensor: str
    indices: tuple[tuple[int, ...], ...]
    name: str = "planted"

    def run(self, config: Any, stage: Any, params: Any, inputs: Any) -> Mapping[str, np.ndarray]:
        made = dict(IntegerExecutor().run(config, stage, params, inputs))
        if stage.name == self.stage:
            made[self.tensor] = made[self.tensor].copy()
            for index in self.indices:
                made[self.tensor][index] ^= 1
        return made


@pytest.mark.parametrize(
    ("stage", "tensor", "index"),
    [
        ("qkv", "key", (1, 4, 15)),
        ("attention", "scores", (0, 1, 2, 3)),
        ("attention", "attention_squares", (1, 0)),
        ("intermediate", "intermediate", (0, 0, 31)),
        ("output", "output", (1, 2, 0)),
    ],
)
def test_a_wrong_integer_is_reported_with_its_place_and_both_values(
    tiny_bundle: Path, stage: str, tensor: str, index: tuple[int, ...]
) -> None:
    bundle = read_bundle(tiny_bundle)
    results = verify(bundle, [IntegerExecutor(), Planted(stage, tensor, (index,))])
    found = [mismatch for result in results for mismatch in result.mismatches]
    wanted = []
    for layer in (0, 1):
        expected = int(bundle.tensors(f"layer{layer:02d}.{stage}.safetensors")[tensor][index])
        wanted.append(Mismatch("planted", layer, stage, tensor, index, expected, expected ^ 1))
    assert found == wanted
    place = ", ".join(map(str, index))
    assert str(found[0]) == (
        f"planted: layer 0 stage {stage} tensor {tensor}[{place}] "
        f"expected {wanted[0].expected} got {wanted[0].got}"
    )


def test_the_first_of_several_differences_is_the_first_in_c_order(tiny_bundle: Path) -> None:
    planted = Planted("qkv", "query", ((1, 0, 0), (0, 4, 1), (0, 1, 15), (0, 4, 0)))
    (first, _) = [m for r in verify(read_bundle(tiny_bundle), [planted]) for m in r.mismatches]
    assert first.index == (0, 1, 15)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64])
def test_a_difference_in_any_bit_is_found(dtype: type) -> None:
    expected = np.arange(6, dtype=dtype).reshape(2, 3)
    assert first_difference(expected, expected.copy()) is None
    for bit in range(8 * expected.itemsize):
        got = expected.copy()
        words = got.view(f"u{got.itemsize}")
        words[1, 1] ^= words.dtype.type(1 << bit)
        assert first_difference(expected, got) == (1, 1)


def test_a_scalar_differs_at_the_empty_index() -> None:
    assert first_difference(np.array(3), np.array(4)) == ()


def test_tensors_of_another_shape_or_type_are_named_not_compared(tiny_bundle: Path) -> None:
    stage = STAGES[3]
    expected = {"output": np.zeros((1, 2, 3), np.int16)}
    with pytest.raises(ValueError, match=r"planted: stage output tensor output must be .*int16"):
        compare("planted", 0, stage, expected, {"output": np.zeros((1, 2, 3), np.int32)})
    with pytest.raises(ValueError, match=r"must be \(1, 2, 3\) int16, not \(1, 3, 2\) int16"):
        compare("planted", 0, stage, expected, {"output": np.zeros((1, 3, 2), np.int16)})


def test_an_executor_that_returns_no_output_is_refused() -> None:
    expected = {name: np.zeros(1, np.int8) for name in STAGES[0].outputs}
    with pytest.raises(ValueError, match="planted returned no value for stage qkv"):
        compare("planted", 0, STAGES[0], expected, {n: expected[n] for n in ("query", "key")})


def test_an_executor_may_leave_out_what_lies_between_and_it_is_not_counted(
    tiny_bundle: Path,
) -> None:
    class Outputs(IntegerExecutor):
        def run(self, config: Any, stage: Any, params: Any, inputs: Any) -> Any:
            made = super().run(config, stage, params, inputs)
            return {name: made[name] for name in stage.outputs}

    bundle = read_bundle(tiny_bundle)
    whole, outputs = (verify(bundle, [executor]) for executor in (IntegerExecutor(), Outputs()))
    assert [result.tensors for result in outputs] == [3, 1, 1, 1] * 2
    assert sum(r.integers for r in outputs) < sum(r.integers for r in whole)


def test_progress_names_each_step(tiny_bundle: Path) -> None:
    steps: list[str] = []
    verify(read_bundle(tiny_bundle), [IntegerExecutor()], steps.append)
    assert steps == [f"layer {n} {stage.name} on integer" for n in (0, 1) for stage in STAGES]
