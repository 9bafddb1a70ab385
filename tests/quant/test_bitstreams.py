"""The manifest of bitstreams: what it is for is checked, and nothing else is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from transfab.quant.bitstreams import RECIPE, Bitstreams, parse_bitstreams, recipe
from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine, build_hash

CONFIG, ENGINE = LayerConfig(16, 2, 32), Engine(sequence=64)


def values(**changes: Any) -> dict[str, Any]:
    entry = recipe(
        "u280", "one", ["layer"], "layer.xclbin", CONFIG, ENGINE, "Vitis 2023.2", 300
    ).model_dump(mode="json")
    return {"schema": 1, "bitstreams": [entry | changes]}


def parse(content: Any) -> Bitstreams:
    return parse_bitstreams(json.dumps(content).encode())


def test_a_recipe_is_read_back_as_it_was_written() -> None:
    manifest = parse(values())
    (entry,) = manifest.bitstreams
    assert (entry.sha256, entry.origin, entry.clock_kind) == (None, RECIPE, "assumed")
    assert entry.build_hash == build_hash(CONFIG, ENGINE)
    assert parse_bitstreams(manifest.to_bytes()) == manifest


def test_a_built_file_has_a_sha256_and_says_who_checked_it() -> None:
    (entry,) = parse(values(sha256="0" * 64, origin="built, not run")).bitstreams
    assert entry.sha256 == "0" * 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config_hash": "0" * 16}, "config_hash of layer.xclbin must be"),
        ({"engine_hash": "0" * 16}, "engine_hash of layer.xclbin must be"),
        ({"build_hash": "0" * 16}, "build_hash of layer.xclbin must be"),
        ({"engine": {}}, "engine must have exactly"),
        ({"config": {}}, "config lacks hidden"),
        ({"sha256": "0" * 64}, "origin of layer.xclbin must be 'recipe, unverified' exactly"),
        ({"origin": "works"}, "origin of layer.xclbin must be"),
        ({"sha256": "0"}, "bitstreams.0.sha256"),
        ({"file": "../layer.bit"}, "bitstreams.0.file"),
        ({"file": "layer.so"}, "bitstreams.0.file"),
        ({"clock_mhz": "300"}, "bitstreams.0.clock_mhz"),
        ({"kernels": []}, "bitstreams.0.kernels"),
        ({"more": 1}, "bitstreams.0.more"),
    ],
)
def test_an_entry_that_is_wrong_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse(values(**changes))
    assert "\n" not in str(caught.value)


def test_another_schema_a_file_twice_and_no_json_are_refused() -> None:
    with pytest.raises(ValueError, match="schema must be 1, not 2"):
        parse(values() | {"schema": 2})
    twice = values()
    twice["bitstreams"] *= 2
    with pytest.raises(ValueError, match=r"layer\.xclbin of u280 comes twice"):
        parse(twice)
    for data in (b"", b"{", b"[]", b'{"schema": 1}'):
        with pytest.raises(ValueError):
            parse_bitstreams(data)
