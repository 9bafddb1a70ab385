"""Engine and Tile hold their limits at the edge, and a hash is that of the whole build."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples, refuses

from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine, Tile, build_hash

BASE = Engine()
CONFIG = LayerConfig(hidden=768, heads=12, feed_forward=3072)
STAGES = ("qkv", "attention", "intermediate", "output")
CHANGED = {
    **{stage: dataclasses.replace(BASE, **{stage: Tile(1, 1)}) for stage in STAGES},
    # 32 takes no tile with a simd of 64.
    "beat_bytes": Engine(Tile(1, 1), Tile(1, 1), Tile(1, 1), Tile(1, 1), beat_bytes=32),
    "sequence": dataclasses.replace(BASE, sequence=511),
}


def test_the_smallest_and_the_largest_engine_are_accepted() -> None:
    small = Tile(1, 1)
    assert Engine(small, small, small, small, beat_bytes=16, sequence=1).sequence == 1
    large = Tile(256, 64)
    assert large.bytes == 16384
    assert Engine(large, large, large, large, beat_bytes=64, sequence=512).sequence == 512


def test_the_default_is_bert_base_in_8192_products_a_cycle() -> None:
    assert sum(getattr(BASE, stage).bytes for stage in STAGES) == 8192
    assert (BASE.beat_bytes, BASE.sequence) == (64, 512)


@pytest.mark.parametrize("field", ["pe", "simd"])
@pytest.mark.parametrize("value", [0, -1, 257, 1.0, True, "1", None])
def test_a_tile_must_be_of_integers_up_to_256(field: str, value: object) -> None:
    values: dict[str, Any] = {"pe": 1, "simd": 1, field: value}
    refuses(lambda: Tile(**values), field, "[1, 256]", repr(value))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("simd", [3, 5, 48, 65, 128])
def test_a_simd_that_does_not_divide_the_beat_is_refused(stage: str, simd: int) -> None:
    tile = {stage: Tile(1, simd)}
    refuses(lambda: dataclasses.replace(BASE, **tile), stage, "64", str(simd))


@pytest.mark.parametrize("beat_bytes", [0, 1, 8, 15, 24, 48, 128, -16, "64", None])
def test_another_beat_is_refused(beat_bytes: Any) -> None:
    small = Tile(1, 1)
    make = lambda: Engine(small, small, small, small, beat_bytes)  # noqa: E731
    refuses(make, "beat_bytes", "16, 32, 64", repr(beat_bytes))


@pytest.mark.parametrize("sequence", [0, -1, 513, 1.0, True, "1", None])
def test_another_longest_sequence_is_refused(sequence: Any) -> None:
    make = lambda: dataclasses.replace(BASE, sequence=sequence)  # noqa: E731
    refuses(make, "sequence", "[1, 512]", repr(sequence))


@pytest.mark.parametrize("length", [0, -1, 17, 512])
def test_a_sequence_longer_than_the_build_is_refused(length: int) -> None:
    engine = dataclasses.replace(BASE, sequence=16)
    refuses(lambda: engine.check_sequence(length), "[1, 16]", str(length), "--sequence")
    engine.check_sequence(1)
    engine.check_sequence(16)


def test_the_hash_is_that_of_the_canonical_json() -> None:
    text = json.dumps(BASE.as_dict(), sort_keys=True, separators=(",", ":"))
    assert BASE.hash == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert BASE.hash == Engine().hash


def test_every_field_changes_the_hash() -> None:
    assert [field.name for field in dataclasses.fields(Engine)] == list(CHANGED)
    ones = dataclasses.replace(CHANGED["beat_bytes"], beat_bytes=64)
    engines = [BASE, ones, *CHANGED.values()]
    for stage in STAGES:
        tile = getattr(BASE, stage)
        engines.append(dataclasses.replace(BASE, **{stage: Tile(tile.pe + 1, tile.simd)}))
        engines.append(dataclasses.replace(BASE, **{stage: Tile(tile.pe, tile.simd // 2)}))
    assert len({engine.hash for engine in engines}) == len(engines)
    assert len({build_hash(CONFIG, engine) for engine in engines}) == len(engines)


def test_the_build_hash_is_of_the_config_and_of_the_engine() -> None:
    text = f"{CONFIG.hash}:{BASE.hash}"
    assert build_hash(CONFIG, BASE) == hashlib.sha256(text.encode()).hexdigest()[:16]
    other = dataclasses.replace(CONFIG, residual_bits=8)
    assert build_hash(other, BASE) != build_hash(CONFIG, BASE)


@given(
    st.sampled_from([16, 32, 64]),
    st.lists(st.tuples(st.integers(1, 256), st.integers(0, 4)), min_size=4, max_size=4),
    st.integers(1, 512),
)
@examples(50)
def test_an_engine_survives_its_dictionary(
    beat: int, tiles: list[tuple[int, int]], sequence: int
) -> None:
    engine = Engine(*(Tile(pe, 1 << log) for pe, log in tiles), beat, sequence)
    again = Engine.from_dict(json.loads(json.dumps(engine.as_dict())))
    assert again == engine and again.hash == engine.hash


@pytest.mark.parametrize("name", list(CHANGED))
def test_a_dictionary_without_a_field_is_refused(name: str) -> None:
    values = BASE.as_dict()
    del values[name]
    refuses(lambda: Engine.from_dict(values), name)


def test_a_dictionary_with_another_field_is_refused() -> None:
    refuses(lambda: Engine.from_dict(BASE.as_dict() | {"clock": 1}), "clock")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("qkv", {"pe": 0, "simd": 1}),
        ("output", {"pe": 1, "simd": 3}),
        ("beat_bytes", 8),
        ("sequence", 513),
    ],
)
def test_a_dictionary_with_a_bad_value_is_refused(name: str, value: object) -> None:
    refuses(lambda: Engine.from_dict(BASE.as_dict() | {name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("qkv", {"pe": 1}),
        ("qkv", {"pe": 1, "simd": 1, "depth": 1}),
        ("qkv", [32, 64]),
        ("qkv", None),
        ("beat_bytes", 64.0),
    ],
)
def test_a_dictionary_with_a_value_of_another_type_is_refused(name: str, value: object) -> None:
    refuses(lambda: Engine.from_dict(BASE.as_dict() | {name: value}), name)
