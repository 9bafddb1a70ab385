"""LayerConfig holds every limit at its edge, and its hash is that of the arithmetic."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from fractions import Fraction

import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples, refuses

from transfab.quant.config import LIMITS, LayerConfig

BASE = LayerConfig(hidden=768, heads=12, feed_forward=3072)


def test_the_largest_shape_is_accepted() -> None:
    config = LayerConfig(hidden=1024, heads=8, feed_forward=4096, sequence=512, copies=64)
    assert config.head_size == 128
    assert config.inner == 4160
    # What a 27-bit accumulator holds of products of int8 in [-127, 127].
    assert config.inner * 127 * 127 < 2**26 <= 4161 * 127 * 127
    fields = {"hidden": 1024, "feed_forward": 4096, "head_size": 128, "sequence": 512}
    assert LIMITS == {**fields, "copies": 64}


def test_the_smallest_shape_is_accepted() -> None:
    assert LayerConfig(1, 1, 1, 1, 8).head_size == 1


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"hidden": 1025, "heads": 25}, ("hidden", "1024", "1025")),
        ({"hidden": 1024, "heads": 4}, ("head_size", "128", "256")),
        ({"hidden": 129, "heads": 1}, ("head_size", "128", "129")),
        ({"feed_forward": 4097}, ("feed_forward", "4096", "4097")),
        ({"sequence": 513}, ("sequence", "512", "513")),
        ({"copies": 65}, ("copies", "64", "65")),
        ({"heads": 11}, ("hidden", "multiple of heads 11", "768")),
        ({"residual_bits": 12}, ("residual_bits", "8 or 16", "12")),
        ({"residual_bits": 32}, ("residual_bits", "8 or 16", "32")),
    ],
)
def test_one_step_beyond_a_limit_is_refused(fields: dict[str, int], parts: tuple[str, ...]) -> None:
    refuses(lambda: dataclasses.replace(BASE, **fields), *parts)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(LayerConfig)])
@pytest.mark.parametrize("value", [0, -1, 1.0, True, "1", None])
def test_a_field_must_be_a_positive_integer(field: str, value: object) -> None:
    changed = {field: value}
    if field == "copies" and value == 0 and type(value) is int:
        assert dataclasses.replace(BASE, **changed).inner == BASE.feed_forward
        return
    rule = "at least 0" if field == "copies" else "positive integer"
    refuses(lambda: dataclasses.replace(BASE, **changed), field, rule, repr(value))


def test_the_mean_multiplier_is_the_rounded_reciprocal_in_17_bits() -> None:
    for size in range(1, 1025):
        config = LayerConfig(size, size, 1)
        shift, multiplier = oracle.mean_constants(size)
        assert (config.mean_shift, config.mean_multiplier) == (shift, multiplier)
        assert 2**16 <= multiplier < 2**17
        error = Fraction(multiplier, 2**shift) - Fraction(1, size)
        assert abs(error) <= Fraction(1, 2 ** (shift + 1))


def test_the_hash_is_that_of_the_canonical_json() -> None:
    text = json.dumps(BASE.as_dict(), sort_keys=True, separators=(",", ":"))
    assert BASE.hash == hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden": 384},
        {"heads": 8},
        {"feed_forward": 1},
        {"sequence": 8},
        {"residual_bits": 8},
        {"copies": 1},
    ],
)
def test_every_field_changes_the_hash(fields: dict[str, int]) -> None:
    assert dataclasses.replace(BASE, **fields).hash != BASE.hash


@given(
    st.integers(1, 128),
    st.integers(1, 8),
    st.integers(1, 4096),
    st.integers(1, 512),
    st.sampled_from([8, 16]),
    st.integers(0, 64),
)
@examples(50)
def test_a_config_survives_its_dictionary(
    d: int, h: int, f: int, s: int, bits: int, copies: int
) -> None:
    config = LayerConfig(d * h, h, f, s, bits, copies)
    assert LayerConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


@pytest.mark.parametrize("name", sorted(set(BASE.as_dict()) - {"hidden", "heads"}))
def test_a_config_of_another_arithmetic_is_refused(name: str) -> None:
    values = BASE.as_dict()
    if name in {field.name for field in dataclasses.fields(LayerConfig)}:
        values[name] = -1
        refuses(lambda: LayerConfig.from_dict(values), name, "-1")
    else:
        values[name] += 1
        refuses(lambda: LayerConfig.from_dict(values), name, str(values[name]), "again")
        del values[name]
        refuses(lambda: LayerConfig.from_dict(values), name)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(LayerConfig)])
def test_a_config_that_lacks_a_field_is_refused(name: str) -> None:
    values = BASE.as_dict()
    del values[name]
    refuses(lambda: LayerConfig.from_dict(values), name, "again")
