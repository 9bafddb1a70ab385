"""The figures of a deviation: exact on tensors made by hand; a planted fault comes out worst."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from tiny_layer import LENGTHS, Tiny, tiny_layer

from transfab.quant.bert.scales import Affine, HiddenScales, LayerScales
from transfab.quant.bert.shapes import TENSORS, specifications
from transfab.quant.deviation import (
    HIGHEST_DB,
    Deviation,
    LayerTally,
    Tally,
    saturation,
    worst_first,
)
from transfab.quant.intmath import Array


def of(*pairs: tuple[list[float], list[float]]) -> Deviation:
    """The figures of one tensor over sequences of (float, real) values."""
    tally = Tally()
    for wanted, got in pairs:
        tally.add(np.array(wanted, np.float64), np.array(got, np.float64))
    return tally.result(0, "qkv", "query")


@pytest.fixture(scope="module")
def tiny() -> Tiny:
    return tiny_layer()


def rows(tiny: Tiny, scales: LayerScales | None = None, **tensors: Array) -> dict[str, Deviation]:
    """Deviations of the tiny layer by tensor, with other scales or some other tensors."""
    tally = LayerTally(3, tiny.layer, tiny.params, scales or tiny.scales)
    tally.add(tiny.tensors | tensors, tiny.floats)
    return {row.tensor: row for row in tally.result()}


def test_figures_are_those_of_the_definition() -> None:
    found = of(([3.0, -4.0], [3.0, -3.5]))
    # Signal 25, noise 0.25; RMS sqrt(25 / 2).
    assert (found.sqnr_db, found.max_error, found.rms) == (20.0, 0.5, 3.536)
    assert found.relative == pytest.approx(0.5 / 3.536)
    assert found.saturated is None


def test_sequences_add_up_and_the_largest_error_has_either_sign() -> None:
    found = of(([3.0, 0.0], [3.0, -0.25]), ([-4.0], [-4.0]))
    assert (found.sqnr_db, found.max_error) == (round(10 * math.log10(25 / 0.0625), 2), 0.25)
    assert found.rms == 2.887  # sqrt(25 / 3)
    assert of(([1.0], [1.125]), ([1.0], [0.5])).max_error == 0.5
    assert of(([1.0], [0.5]), ([1.0], [1.125])).max_error == 0.5


def test_a_tensor_without_error_is_at_the_highest_figure() -> None:
    found = of(([3.0, -4.0], [3.0, -4.0]))
    assert (found.sqnr_db, found.max_error, found.relative) == (HIGHEST_DB, 0.0, 0.0)


def test_an_all_zero_float_tensor_has_figures() -> None:
    exact, off = of(([0.0, 0.0], [0.0, 0.0])), of(([0.0, 0.0], [0.0, 0.25]))
    assert (exact.sqnr_db, exact.max_error, exact.rms, exact.relative) == (HIGHEST_DB, 0, 0, 0)
    assert (off.sqnr_db, off.max_error, off.rms) == (-HIGHEST_DB, 0.25, 0)
    assert off.relative == math.inf
    assert worst_first([exact, off]) == [off, exact]


@pytest.mark.parametrize("values", [[0.0, 0.0], [1.0, 2.0]])
@pytest.mark.parametrize("error", [0.0, 0.5])
def test_figures_are_valid_json_and_come_back(values: list[float], error: float) -> None:
    found = of((values, [value + error for value in values]))
    text = json.dumps(asdict(found), allow_nan=False)
    assert Deviation(**json.loads(text)) == found


def test_saturated_elements_are_a_share_over_all_sequences() -> None:
    tally = Tally()
    for values in ([127, 126, -127], [0, -127, 5, 6, 7]):
        tensor = np.array(values, np.int8)
        tally.add(np.ones(tensor.size), np.ones(tensor.size), saturation("query", tensor))
    assert tally.result(0, "qkv", "query").saturated == 0.375


def test_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(2,\), not \(1,\)"):
        of(([1.0, 2.0], [1.0]))


@pytest.mark.parametrize(
    "changes",
    [
        {"sqnr_db": 200.01},
        {"sqnr_db": math.nan},
        {"max_error": -0.1},
        {"max_error": math.nan},
        {"rms": -1.0},
        {"saturated": 1.5},
        {"saturated": -0.1},
        {"saturated": math.nan},
    ],
)
def test_figures_that_no_tensor_has_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"deviates|saturated"):
        replace(of(([1.0], [1.5])), **changes)


def test_the_worst_comes_first_and_of_equals_the_larger_error() -> None:
    good = Deviation(0, "qkv", "key", 40.0, 1.0, 1.0)
    spread = Deviation(0, "qkv", "query", 20.0, 1.0, 1.0)
    peaked = Deviation(1, "qkv", "value", 20.0, 1.0, 0.5)
    again = replace(spread, layer=2)
    assert worst_first([good, spread, peaked, again]) == [peaked, spread, again, good]


@pytest.mark.parametrize("bits", [16, 8])
def test_a_layer_has_a_row_a_tensor_in_order_of_computation(bits: int) -> None:
    layer = tiny_layer(bits)
    names = [("input", "hidden")]
    for stage in TENSORS:
        names += [(stage, name) for name in specifications(layer.config, stage, 1, 1)]
    found = list(rows(layer).values())
    assert [(row.stage, row.tensor) for row in found] == names
    assert {row.layer for row in found} == {3}
    assert all(row.sqnr_db > 25 for row in found), worst_first(found)[0]


@pytest.mark.parametrize(
    "name", ["context", "intermediate", "attention_output", "output", "query", "attention_sum"]
)
def test_a_wrong_scale_comes_out_worst(tiny: Tiny, name: str) -> None:
    scale: Affine | HiddenScales = getattr(tiny.scales, name)
    wrong: Affine | HiddenScales
    if isinstance(scale, Affine):
        wrong = Affine(scale.scale * 1.5, scale.center)
    else:
        wrong = replace(scale, stream=Affine(scale.stream.scale * 1.5, scale.stream.center))
    sound, found = rows(tiny), rows(tiny, replace(tiny.scales, **{name: wrong}))  # type: ignore[arg-type]
    worst = worst_first(found.values())[0]
    assert worst.sqnr_db < 12 < sound[worst.tensor].sqnr_db
    assert found[name].sqnr_db < 12
    # What the scale is no part of is as it was.
    assert found["intermediate_gelu"] == sound["intermediate_gelu"]
    if name in ("context", "intermediate", "attention_output", "output"):
        assert worst.tensor == name
        assert [n for n in found if found[n] != sound[n]] == [name]


def test_a_wrong_integer_shows_in_its_own_tensor_only(tiny: Tiny) -> None:
    broken = tiny.tensors["exponential"].copy()
    broken[0, 1] = 0
    sound, found = rows(tiny), rows(tiny, exponential=broken)
    assert worst_first(found.values())[0].tensor == "exponential"
    assert found["exponential"].max_error == 1.0
    assert [name for name in found if found[name] != sound[name]] == ["exponential"]


def test_a_saturating_tensor_shows_its_share(tiny: Tiny) -> None:
    doubled = np.clip(tiny.tensors["value"].astype(np.int32) * 8, -127, 127).astype(np.int8)
    found = rows(tiny, value=doubled)
    real = np.concatenate([doubled[row, :length] for row, length in enumerate(LENGTHS)])
    share = float(np.mean(np.abs(real.astype(np.int32)) == 127))
    assert 0.3 < share < 1
    assert found["value"].saturated == float(f"{share:.4g}")
    assert worst_first(found.values())[0].tensor == "value"


def test_rows_and_keys_of_padding_do_not_count(tiny: Tiny) -> None:
    garbage = {}
    for stage in TENSORS:
        for name, axes, _ in TENSORS[stage]:
            tensor = tiny.tensors[name.rstrip("?")].copy()
            for row, length in enumerate(LENGTHS):
                for axis, letter in enumerate(axes[1:]):
                    if letter == "S":
                        tensor[row].swapaxes(0, axis)[length:] = np.iinfo(tensor.dtype).max
            garbage[name.rstrip("?")] = tensor
    assert rows(tiny, **garbage) == rows(tiny)
    counted = garbage["query"].copy()
    counted[1, 0] = 127  # the one token of the second sequence
    assert rows(tiny, **garbage | {"query": counted}) != rows(tiny)


def test_one_batch_or_several_give_the_same_figures(tiny: Tiny) -> None:
    tally = LayerTally(3, tiny.layer, tiny.params, tiny.scales)
    for row, floats in enumerate(tiny.floats):
        tally.add({n: t[row : row + 1] for n, t in tiny.tensors.items()}, [floats])
    assert tally.result() == list(rows(tiny).values())


def test_a_row_mean_is_measured_against_its_row(tiny: Tiny) -> None:
    """Its own value is near 0: a rounding of it would look like the worst of all errors."""
    found = rows(tiny)
    for name in ("attention", "output"):
        assert found[f"{name}_mean"].rms == found[f"{name}_sum"].rms
        assert found[f"{name}_mean"].sqnr_db > found[f"{name}_sum"].sqnr_db
