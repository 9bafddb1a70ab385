"""Activation packets hold the bytes that the document says, and give the tensors back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples, refuses
from stream_oracle import BUILDS, STAGES, Build, Stream, builds, steps

from transfab.quant.config import LayerConfig
from transfab.quant.contract.layout import parameter_beats
from transfab.quant.contract.packets import (
    PACKETS,
    beats_of,
    pack_intermediate,
    pack_qkv,
    pack_residual,
    unpack_intermediate,
    unpack_qkv,
    unpack_residual,
)
from transfab.quant.engine import Engine

Tensors = dict[str, np.ndarray]


def random_tensors(build: Build, sequence: int, seed: int) -> Tensors:
    """One sequence of every tensor that crosses a boundary, extreme values among them."""
    rng = np.random.default_rng(seed)
    bits, size = build.shape.residual_bits, build.shape.hidden
    top = 2 ** (bits - 1) - 1

    def int8(channels: int) -> np.ndarray:
        return rng.integers(-127, 128, (sequence, channels)).astype(np.int8)

    made = {name: int8(size) for name in ("query", "key", "value")}
    made["intermediate"] = int8(build.shape.feed_forward)
    made["hidden"] = rng.integers(-top, top + 1, (sequence, size)).astype(f"int{bits}")
    made["hidden"].flat[0] = -top
    made["mask"] = rng.integers(0, 2, sequence).astype(np.uint8)
    return made


def residual_stream(build: Build, tensors: Tensors, filling: int) -> bytes:
    stream = Stream(build, filling)
    stream.row(tensors["mask"].tolist(), 1)
    for row in tensors["hidden"].tolist():
        stream.row(row, build.shape.residual_bits // 8)
    return bytes(stream.bytes)


def qkv_stream(build: Build, tensors: Tensors, filling: int) -> bytes:
    stream = Stream(build, filling)
    size = build.shape.hidden // build.shape.heads
    for head in range(build.shape.heads):
        for name in ("query", "key", "value"):
            for row in tensors[name].tolist():
                stream.row(row[head * size : (head + 1) * size], 1)
    return bytes(stream.bytes)


def intermediate_stream(build: Build, tensors: Tensors, filling: int) -> bytes:
    stream = Stream(build, filling)
    width = build.engine.beat_bytes
    for block in steps(build.shape.feed_forward, width):
        for row in tensors["intermediate"].tolist():
            stream.row(row[block * width : (block + 1) * width], 1)
    return bytes(stream.bytes)


def pack(build: Build, packet: str, tensors: Tensors) -> np.ndarray:
    config, engine = build.config(), build.engine
    if packet == "qkv":
        return pack_qkv(engine, config, *(tensors[name] for name in ("query", "key", "value")))
    if packet == "intermediate":
        return pack_intermediate(engine, config, tensors["intermediate"])
    return pack_residual(engine, tensors["hidden"], tensors["mask"])


def unpack(build: Build, packet: str, beats: np.ndarray, sequence: int) -> Tensors:
    config, engine = build.config(), build.engine
    if packet == "qkv":
        parts = unpack_qkv(config, engine, beats, sequence)
        return dict(zip(("query", "key", "value"), parts, strict=True))
    if packet == "intermediate":
        return {"intermediate": unpack_intermediate(config, engine, beats, sequence)}
    both = unpack_residual(config, engine, beats, sequence)
    return dict(zip(("hidden", "mask"), both, strict=True))


STREAMS: dict[str, Callable[[Build, Tensors, int], bytes]] = {
    "hidden": residual_stream,
    "qkv": qkv_stream,
    "intermediate": intermediate_stream,
}


def holds_the_contract(build: Build, packet: str, sequence: int, seed: int) -> None:
    tensors = random_tensors(build, sequence, seed)
    beats = pack(build, packet, tensors)
    count = beats_of(build.config(), build.engine, packet, sequence)
    assert beats.shape == (count, build.engine.beat_bytes)
    assert beats.dtype == np.uint8 and beats.flags.c_contiguous
    assert beats.tobytes() == STREAMS[packet](build, tensors, 0)

    for filling in (0x00, 0xEE):
        data = np.frombuffer(STREAMS[packet](build, tensors, filling), np.uint8)
        got = unpack(build, packet, data.reshape(beats.shape), sequence)
        for name, tensor in got.items():
            assert tensor.dtype == tensors[name].dtype and tensor.flags.c_contiguous
            assert np.array_equal(tensor, tensors[name]), name


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: f"E{build.shape.hidden}")
@pytest.mark.parametrize("packet", STREAMS)
@pytest.mark.parametrize("sequence", [1, 16, 70])
def test_a_packet_is_the_documents_and_reads_back(build: Build, packet: str, sequence: int) -> None:
    holds_the_contract(build, packet, sequence, seed=1)


@given(builds(), st.sampled_from(sorted(STREAMS)), st.integers(1, 40), st.integers(0, 99))
@examples(60)
def test_any_packet_is_the_documents_and_reads_back(
    build: Build, packet: str, sequence: int, seed: int
) -> None:
    holds_the_contract(build, packet, sequence, seed)


@pytest.mark.parametrize("packet", STREAMS)
def test_another_number_of_beats_is_refused(packet: str) -> None:
    build = BUILDS[0]
    beats = pack(build, packet, random_tensors(build, 5, 1))
    for wrong in (
        beats[:-1],
        beats[:0],
        np.concatenate([beats, beats[:1]]),
        beats.reshape(-1),
        beats.reshape(2 * len(beats), -1),
        beats.view(np.int8),
    ):
        refuses(
            lambda wrong=wrong: unpack(build, packet, wrong, 5),
            packet,
            f"{len(beats)} beats of 16",
            str(wrong.shape),
            str(wrong.dtype),
            "TLAST",
        )
    refuses(lambda: unpack(build, packet, beats, 6), packet)


@pytest.mark.parametrize("build", [BUILDS[0], BUILDS[-1]], ids=["ragged", "whole"])
@pytest.mark.parametrize("packet", STREAMS)
@pytest.mark.parametrize("sequence", [1, 16])
def test_packing_and_reading_copy(build: Build, packet: str, sequence: int) -> None:
    tensors = random_tensors(build, sequence, 1)
    before = {name: tensor.copy() for name, tensor in tensors.items()}
    beats = pack(build, packet, tensors)
    got = unpack(build, packet, beats, sequence)
    beats[:] = 0xEE
    assert all(np.array_equal(tensor, before[name]) for name, tensor in tensors.items())
    assert all(np.array_equal(tensor, before[name]) for name, tensor in got.items())


def test_tensors_in_any_memory_order_pack_alike() -> None:
    build = BUILDS[1]
    tensors = random_tensors(build, 9, 1)
    strided = {name: np.repeat(tensor, 2, axis=-1)[..., ::2] for name, tensor in tensors.items()}
    fortran = {name: np.asfortranarray(tensor) for name, tensor in tensors.items()}
    for packet in STREAMS:
        wanted = pack(build, packet, tensors).tobytes()
        assert pack(build, packet, strided).tobytes() == wanted
        assert pack(build, packet, fortran).tobytes() == wanted


@pytest.mark.parametrize(
    ("packet", "name", "change", "parts"),
    [
        ("hidden", "hidden", lambda t: t[None], ("(S, channels)", "one sequence")),
        ("hidden", "hidden", lambda t: t.astype(np.int32), ("int8 or int16", "int32")),
        ("hidden", "mask", lambda t: t[:-1], ("mask", "(5,)", "(4,)")),
        ("hidden", "mask", lambda t: t.astype(bool), ("mask", "uint8", "bool")),
        ("qkv", "query", lambda t: t[0], ("query", "one sequence")),
        ("qkv", "query", lambda t: t[:-1], ("key", "(4, 21)", "(5, 21)")),
        ("qkv", "key", lambda t: t[:, :-1], ("key", "(5, 21)", "(5, 20)")),
        ("qkv", "value", lambda t: t.astype(np.int16), ("value", "int8", "int16")),
        ("intermediate", "intermediate", lambda t: t[:, 1:], ("intermediate", "13", "12")),
        ("intermediate", "intermediate", lambda t: t.view(np.uint8), ("int8", "uint8")),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(
    packet: str, name: str, change: Callable[[Any], Any], parts: tuple[str, ...]
) -> None:
    tensors = random_tensors(BUILDS[0], 5, 1)
    tensors[name] = change(tensors[name])
    refuses(lambda: pack(BUILDS[0], packet, tensors), *parts)


@pytest.mark.parametrize("packet", STREAMS)
@pytest.mark.parametrize("sequence", [0, 71])
def test_a_sequence_beyond_the_engine_is_refused(packet: str, sequence: int) -> None:
    build = BUILDS[3]
    tensors = {
        name: np.zeros((sequence, *tensor.shape[1:]), tensor.dtype)
        for name, tensor in random_tensors(build, 1, 1).items()
    }
    refuses(lambda: pack(build, packet, tensors), "70", str(sequence))
    beats = np.zeros((1, 16), np.uint8)
    refuses(lambda: unpack(build, packet, beats, sequence), "70", str(sequence))


def test_bert_base_has_as_many_beats_as_the_tables_say() -> None:
    config, engine = LayerConfig(768, 12, 3072, copies=64), Engine()
    wanted = {"qkv": 12 * 3 * 128, "intermediate": 49 * 128}
    wanted |= dict.fromkeys(("hidden", "attention_output", "output"), 2 + 128 * 24)
    wanted |= {f"{stage}_parameters": parameter_beats(config, engine, stage) for stage in STAGES}
    assert {packet: beats_of(config, engine, packet, 128) for packet in PACKETS} == wanted
    narrow = LayerConfig(768, 12, 3072, residual_bits=8)
    assert beats_of(narrow, engine, "hidden", 129) == 3 + 129 * 12


def test_another_packet_is_refused() -> None:
    config, engine = BUILDS[0].config(), BUILDS[0].engine
    refuses(lambda: beats_of(config, engine, "mask", 1), "hidden", "output_parameters", "mask")
