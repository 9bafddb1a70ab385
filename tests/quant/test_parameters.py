"""Parameters keep their names and bits through flatten and unflatten, and check themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    LARGEST_MULTIPLIER,
    MODES,
    Shape,
    examples,
    int32,
    int64,
    linear_of,
    random_case,
    refuses,
    requantize_of,
)

from transfab.quant.bert.layer import STAGES, LayerParameters
from transfab.quant.intmath import Requantize
from transfab.quant.parameters import Linear, flatten, unflatten

LEAVES = flatten(random_case(1).parameters())


@given(st.integers(0, 2**32), st.sampled_from(MODES), st.sampled_from([8, 16]))
@examples(10)
def test_parameters_survive_their_names_bit_by_bit(seed: int, mode: str, bits: int) -> None:
    params = random_case(seed, mode, Shape(4, 2, 3, bits)).parameters()
    leaves = flatten(params)
    again = flatten(unflatten(LayerParameters, leaves))
    assert list(again) == list(leaves)
    for name, leaf in leaves.items():
        assert (again[name].dtype, again[name].shape) == (leaf.dtype, leaf.shape)
        assert again[name].tobytes() == leaf.tobytes()


def test_names_are_paths_in_the_order_of_the_stages() -> None:
    stages = list(dict.fromkeys(name.split(".")[0] for name in LEAVES))
    assert stages == [stage.name for stage in STAGES]
    assert LEAVES["qkv.query.requantize.shift"].shape == ()
    assert LEAVES["qkv.query.requantize.shift"].dtype == np.int64
    assert {leaf.dtype.kind for leaf in LEAVES.values()} == {"i"}


def test_a_field_that_is_none_has_no_names() -> None:
    narrow = flatten(random_case(1, shape=Shape(residual_bits=8)).parameters())
    gone = {name for name in LEAVES if name.startswith(("qkv.hidden.", "intermediate.hidden."))}
    assert len(gone) == 6
    assert set(narrow) == set(LEAVES) - gone


@pytest.mark.parametrize("name", LEAVES)
def test_a_missing_name_is_refused(name: str) -> None:
    leaves = {leaf: value for leaf, value in LEAVES.items() if leaf != name}
    refuses(lambda: unflatten(LayerParameters, leaves), name.rpartition(".")[2], "missing")


@pytest.mark.parametrize(
    "name", ["extra", "extra.weight", "qkv.extra", "qkv.query.extra", "qkv.query.requantize.extra"]
)
def test_a_name_left_over_is_refused(name: str) -> None:
    leaves = LEAVES | {name: int64(1)}
    refuses(lambda: unflatten(LayerParameters, leaves), "no parameter", "extra")


@pytest.mark.parametrize("name", ["qkv", "qkv.query", "intermediate.fraction_bits.extra"])
def test_a_name_that_shadows_a_field_is_refused(name: str) -> None:
    leaves = LEAVES | {name: int64(1)}
    refuses(lambda: unflatten(LayerParameters, leaves), name.rpartition(".")[2])


@pytest.mark.parametrize("wrong", [int64([3]), int32(3), np.float64(3.0)])
def test_an_integer_must_be_one_int64(wrong: Any) -> None:
    leaves = LEAVES | {"attention.scores_shift": np.asarray(wrong)}
    refuses(lambda: unflatten(LayerParameters, leaves), "scores_shift", "one int64")


def test_a_constant_that_breaks_its_check_is_refused() -> None:
    leaves = LEAVES | {"qkv.key.requantize.shift": int64(48)}
    refuses(lambda: unflatten(LayerParameters, leaves), "shift", "[1, 47]", "48")


@pytest.mark.parametrize("name", [name for name in LEAVES if LEAVES[name].ndim])
def test_an_array_of_another_dtype_is_refused(name: str) -> None:
    leaves = LEAVES | {name: LEAVES[name].astype(np.float64)}
    refuses(lambda: unflatten(LayerParameters, leaves), "int")


def test_a_projection_takes_its_largest_accumulator() -> None:
    room = 2**26 - 1 - 128 * 127 * 4096
    for sign in (1, -1):
        linear_of([[sign * 127] * 4096], [sign * room])
    refuses(lambda: linear_of([[127] * 4096], [room + 1]), "accumulator of channel 0", str(2**26))


def test_a_projection_takes_its_largest_product_and_refuses_one_more() -> None:
    bound = 128 * 127 + 7
    room = 2**47 - 1 - bound * LARGEST_MULTIPLIER - 2**45
    scale = {"multiplier": [LARGEST_MULTIPLIER], "shift": 46}
    linear_of([[127]], [7], offset=[room], **scale)
    linear_of([[127]], [7], offset=[-room], **scale)
    refuses(
        lambda: linear_of([[127]], [7], offset=[room + 1], **scale),
        "projection product",
        "48 signed bits",
        str(2**47),
    )


@pytest.mark.parametrize(
    ("weight", "bias", "count", "parts"),
    [
        (np.array([[-128]], np.int8), int32([0]), 1, ("weight", "[-127, 127]", "-128")),
        (np.array([[1]], np.int16), int32([0]), 1, ("int8", "int16")),
        (np.array([1], np.int8), int32([0]), 1, ("matrix", "1-d")),
        (np.array([[1]], np.int8), int64([0]), 1, ("int32", "int64")),
        (np.array([[1]], np.int8), int32([0, 0]), 1, ("one value per output channel", "(2,)")),
        (np.array([[1]], np.int8), int32([0]), 2, ("one value per output channel", "(2,)")),
    ],
)
def test_a_projection_whose_parts_do_not_fit_is_refused(
    weight: np.ndarray, bias: np.ndarray, count: int, parts: tuple[str, ...]
) -> None:
    scale = requantize_of([1] * count, [0] * count, 1)
    refuses(lambda: Linear(weight, bias, scale), *parts)


def test_parameters_are_frozen() -> None:
    scale = requantize_of([1], [0], 1)
    with pytest.raises(AttributeError):
        scale.shift = 2  # type: ignore[misc]
    assert isinstance(scale, Requantize)
