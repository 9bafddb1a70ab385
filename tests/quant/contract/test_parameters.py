"""Parameter packets hold the bytes that the document says, and give the parameters back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples, refuses
from stream_oracle import BUILDS, STAGES, Build, builds, stage_stream

from transfab.quant.config import LayerConfig
from transfab.quant.contract.layout import parameter_beats, parameter_blocks
from transfab.quant.contract.parameters import pack_parameters, unpack_parameters
from transfab.quant.contract.sections import DTYPES
from transfab.quant.engine import Engine, Tile
from transfab.quant.parameters import flatten


def holds_the_contract(build: Build, stage: str, seed: int) -> None:
    config, engine = build.config(), build.engine
    case = build.case(seed)
    params = case.parameters()
    packet = pack_parameters(config, engine, stage, params)
    assert packet.dtype == np.uint8 and packet.flags.c_contiguous
    assert packet.shape == (parameter_beats(config, engine, stage), engine.beat_bytes)
    assert packet.tobytes() == stage_stream(build, stage, case)

    leaves = flatten(getattr(params, stage))
    for filling in (0x00, 0xEE):
        data = np.frombuffer(stage_stream(build, stage, case, filling), np.uint8)
        got = unpack_parameters(config, engine, stage, data.reshape(packet.shape))
        assert got.keys() == leaves.keys()
        for name, leaf in leaves.items():
            assert (got[name].dtype, got[name].shape) == (leaf.dtype, leaf.shape), name
            assert np.array_equal(got[name], leaf), name


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: f"E{build.shape.hidden}")
@pytest.mark.parametrize("stage", STAGES)
def test_a_packet_is_the_documents_and_reads_back(build: Build, stage: str) -> None:
    holds_the_contract(build, stage, seed=1)


@given(builds(), st.sampled_from(STAGES), st.integers(0, 99))
@examples(60)
def test_any_packet_is_the_documents_and_reads_back(build: Build, stage: str, seed: int) -> None:
    holds_the_contract(build, stage, seed)


def test_constants_at_the_edge_of_their_width_survive() -> None:
    build = BUILDS[0]
    case = build.case(1)
    size = build.shape.hidden
    case.leaves["attention.layernorm.offset"] = [2**46 - 1, 1 - 2**46] * (size // 2) + [0]
    case.leaves["attention.layernorm.gain"] = [-1, 1] * (size // 2) + [0]
    case.leaves["attention.layernorm.epsilon"] = 2**40 - 1
    case.leaves["attention.layernorm.shift"] = 46
    params = case.parameters()
    packet = pack_parameters(build.config(), build.engine, "attention", params)
    assert packet.tobytes() == stage_stream(build, "attention", case)
    got = unpack_parameters(build.config(), build.engine, "attention", packet)
    assert got["layernorm.epsilon"] == 2**40 - 1
    assert got["layernorm.offset"].tolist() == case.leaves["attention.layernorm.offset"]


@pytest.mark.parametrize("stage", STAGES)
def test_another_number_of_beats_is_refused(stage: str) -> None:
    build = BUILDS[0]
    config, engine = build.config(), build.engine
    packet = pack_parameters(config, engine, stage, build.case(1).parameters())
    count = len(packet)
    for wrong in (
        packet[:-1],
        packet[:0],
        np.concatenate([packet, packet[:1]]),
        packet.reshape(-1),
        packet.reshape(2 * count, -1),
        packet.view(np.int8),
    ):
        refuses(
            lambda wrong=wrong: unpack_parameters(config, engine, stage, wrong),
            f"{stage}_parameters",
            f"{count} beats of 16",
            str(wrong.shape),
            str(wrong.dtype),
            "TLAST",
        )


def test_parameters_of_another_shape_are_refused() -> None:
    build, other = BUILDS[0], BUILDS[1]
    params = other.case(1).parameters()
    for stage in STAGES:
        refuses(
            lambda stage=stage: pack_parameters(build.config(), build.engine, stage, params),
            "weight must be (21, 21), not (66, 66)",
        )


def test_another_stage_is_refused() -> None:
    build = BUILDS[0]
    config, engine, params = build.config(), build.engine, build.case(1).parameters()
    refuses(lambda: pack_parameters(config, engine, "layer", params), "qkv", "output", "layer")
    packet = pack_parameters(config, engine, "qkv", params)
    refuses(lambda: unpack_parameters(config, engine, "layer", packet), "layer")


def test_a_reader_keeps_nothing_of_the_buffer() -> None:
    build = BUILDS[-1]
    config, engine, case = build.config(), build.engine, build.case(1)
    for stage in STAGES:
        packet = pack_parameters(config, engine, stage, case.parameters())
        got = unpack_parameters(config, engine, stage, packet)
        before = {name: leaf.copy() for name, leaf in got.items()}
        packet[:] = 0xEE
        assert all(np.array_equal(got[name], leaf) for name, leaf in before.items())


def test_the_tiles_change_the_order_and_not_the_weights() -> None:
    build = BUILDS[1]
    params, config = build.case(1).parameters(), build.config()
    other = dataclasses.replace(build.engine, output=Tile(4, 2), qkv=Tile(1, 16))
    for stage in STAGES:
        leaves = [
            unpack_parameters(config, engine, stage, pack_parameters(config, engine, stage, params))
            for engine in (build.engine, other)
        ]
        assert all(np.array_equal(leaf, leaves[1][name]) for name, leaf in leaves[0].items())


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: f"E{build.shape.hidden}")
@pytest.mark.parametrize("stage", STAGES)
def test_the_sections_name_every_leaf_once(build: Build, stage: str) -> None:
    blocks = parameter_blocks(build.config(), build.engine, stage)
    sections = [section for block in blocks for section in block.sections]
    names = [section.name for section in sections]
    leaves = [leaf for section in sections for leaf in section.leaves if leaf]
    assert len(set(names)) == len(names) and len(set(leaves)) == len(leaves)
    assert {section.kind for section in sections} <= DTYPES.keys()


def test_bert_base_has_as_many_beats_as_the_tables_say() -> None:
    config = LayerConfig(768, 12, 3072, copies=64)
    tiles = Tile(32, 64), Tile(32, 32), Tile(40, 64), Tile(64, 32)
    engine = Engine(*tiles)
    records = 768 * 16 // 64
    wanted = {
        "qkv": 1 + records + 72 * (8 + 12 * 32),
        "attention": 1 + 1 + 128 + 12 * (16 + 2 * 24 * 16) + 2 * records,
        "intermediate": 1 + 8 + records + 79 * (10 + 10 + 12 * 40),
        "output": 1 + 98 * 12 * 32 + 2 * records,
    }
    assert {stage: parameter_beats(config, engine, stage) for stage in STAGES} == wanted
