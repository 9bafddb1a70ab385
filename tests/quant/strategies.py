"""Shared builders: hypothesis settings, constants from plain integers, and small hard layers."""

from __future__ import annotations

import dataclasses
import importlib
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from transfab.quant.bert.layernorm import LayerNorm
from transfab.quant.bert.residual import ResidualLinear
from transfab.quant.intmath import Requantize
from transfab.quant.parameters import Linear

LARGEST_MULTIPLIER = 2**17 - 1
MODES = ("plain", "quiet", "loud", "ties", "flat")

multipliers = st.integers(0, LARGEST_MULTIPLIER)
shifts = st.integers(1, 47)
int8s = st.integers(-127, 127)
int16s = st.integers(-32767, 32767)
accumulators = st.integers(-(2**26) + 1, 2**26 - 1)


def examples(count: int) -> settings:
    """`count` examples, the same ones in every run."""
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def refuses(make: Callable[[], object], *parts: str) -> None:
    """`make` raises ValueError with one line that holds every one of `parts`."""
    with pytest.raises(ValueError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    assert [part for part in parts if part not in message] == [], message


def int32(values: Any) -> np.ndarray:
    return np.array(values, np.int32)


def int64(values: Any) -> np.ndarray:
    return np.array(values, np.int64)


def requantize_of(multiplier: Sequence[int], offset: Sequence[int], shift: int) -> Requantize:
    return Requantize(int32(multiplier), int64(offset), shift)


def linear_of(weight: Any, bias: Any, **scale: Any) -> Linear:
    """A projection with multiplier 1, offset 0 and shift 1 unless `scale` says otherwise."""
    count = len(bias)
    constants = {"multiplier": [1] * count, "offset": [0] * count, "shift": 1} | scale
    return Linear(np.array(weight, np.int8), int32(bias), requantize_of(**constants))


def residual_of(
    weight: Any = ((0,),),
    bias: Sequence[int] = (0,),
    multiplier: Sequence[int] = (0,),
    skip_multiplier: Sequence[int] = (0,),
    offset: Sequence[int] = (0,),
    shift: int = 1,
    skip_shift: int = 0,
) -> ResidualLinear:
    return ResidualLinear(
        np.array(weight, np.int8),
        int32(bias),
        int32(multiplier),
        int32(skip_multiplier),
        int64(offset),
        shift,
        skip_shift,
    )


def layernorm_of(
    gain: Sequence[int], offset: Sequence[int] | None = None, shift: int = 20, epsilon: int = 1
) -> LayerNorm:
    return LayerNorm(int32(gain), int64(offset or [0] * len(gain)), shift, epsilon)


@dataclasses.dataclass(frozen=True)
class Shape:
    """The fields of a LayerConfig, free of the product."""

    hidden: int = 8
    heads: int = 2
    feed_forward: int = 12
    residual_bits: int = 16


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer and its input as plain integers: parameters by `flatten`'s names.

    The usual tables are left out: each side makes its own.
    """

    name: str
    shape: Shape
    leaves: dict[str, Any]
    hidden: list[list[list[int]]]
    mask: list[list[int]]

    def config(self, package: str = "transfab.quant") -> Any:
        config = importlib.import_module(f"{package}.config").LayerConfig
        return config(**dataclasses.asdict(self.shape))

    def parameters(self, package: str = "transfab.quant") -> Any:
        """LayerParameters of `package`, with its own tables unless the case brings some."""
        intmath = importlib.import_module(f"{package}.intmath")
        layer = importlib.import_module(f"{package}.bert.layer")
        unflatten = importlib.import_module(f"{package}.parameters").unflatten
        fraction_bits = self.leaves["intermediate.fraction_bits"]
        tables = {
            "attention.exponential_table": intmath.exponential_table(),
            "intermediate.gelu_table": intmath.gelu_table(fraction_bits),
        }
        typed = {name: typed_leaf(name, value) for name, value in self.leaves.items()}
        return unflatten(layer.LayerParameters, tables | typed)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        dtype = np.int16 if self.shape.residual_bits == 16 else np.int8
        return np.array(self.hidden, dtype), np.array(self.mask, np.uint8)

    def run(self, package: str = "transfab.quant") -> dict[str, np.ndarray]:
        run_layer = importlib.import_module(f"{package}.bert.layer").run_layer
        made: dict[str, np.ndarray] = run_layer(
            self.config(package), self.parameters(package), *self.arrays()
        )
        return made


def typed_leaf(name: str, value: Any) -> np.ndarray:
    """A plain value in the dtype that a parameter of this name has."""
    last = name.rpartition(".")[2]
    if last == "weight":
        return np.array(value, np.int8)
    if last.endswith("table"):
        return np.array(value, np.int16)
    if last in ("bias", "gain") or last.endswith("multiplier"):
        return np.array(value, np.int32)
    return np.array(value, np.int64)


def _ints(rng: random.Random, count: int, low: int, high: int) -> list[int]:
    return [rng.randint(low, high) for _ in range(count)]


def _scale(
    rng: random.Random, count: int, ratio: float, center: int, mode: str, signed: bool = False
) -> tuple[list[int], list[int], int]:
    """Multipliers around `ratio` * 2**shift, offsets of up to `center` results, and the shift."""
    if mode == "ties":  # a power of two and a whole offset: every half is hit often
        shift = max(1, round(-math.log2(ratio)))
        multiplier = [max(1, round(ratio * 2**shift))] * count
        return multiplier, [rng.randint(-center, center) << shift for _ in range(count)], shift
    ratio *= {"loud": 12.0, "quiet": 1.0, "plain": 1.0, "flat": 1.0}[mode]
    shift = max(1, min(47, 16 - math.frexp(ratio)[1]))
    values = [round(ratio * 2**shift * rng.uniform(0.6, 1.4)) for _ in range(count)]
    values = [min(LARGEST_MULTIPLIER, value) for value in values]
    if signed:
        values = [value * rng.choice((-1, 1)) for value in values]
    return values, _ints(rng, count, -center << shift, center << shift), shift


def random_leaves(shape: Shape, seed: int, mode: str, fraction_bits: int = 10) -> dict[str, Any]:
    """Parameters that keep every tensor busy.

    mode  plain  nothing special
          quiet  sums of a few steps: LayerNorm widens them
          loud   everything saturates
          ties   powers of two, so that halves occur
          flat   sums that are constant along a row: no variance at all
    """
    rng = random.Random(seed)
    leaves: dict[str, Any] = {}
    size, inner, wide = shape.hidden, shape.feed_forward, shape.residual_bits == 16

    def scale(name: str, count: int, ratio: float, center: int) -> None:
        constants = _scale(rng, count, ratio, center, mode)
        for part, value in zip(("multiplier", "offset", "shift"), constants, strict=True):
            leaves[f"{name}.{part}"] = value

    def weights(name: str, outputs: int, inputs: int) -> None:
        leaves[f"{name}.weight"] = [_ints(rng, inputs, -127, 127) for _ in range(outputs)]
        leaves[f"{name}.bias"] = _ints(rng, outputs, -9000, 9000)

    def linear(name: str, outputs: int, inputs: int, ratio: float, center: int) -> None:
        weights(name, outputs, inputs)
        scale(f"{name}.requantize", outputs, ratio / math.sqrt(inputs), center)

    def add_norm(name: str, inputs: int) -> None:
        weights(f"{name}.projection", size, inputs)
        volume = 1 / 400 if mode == "quiet" else 0 if mode == "flat" else 1
        ratio = 1.2 / math.sqrt(inputs)
        shift = 4 if mode == "ties" else 18
        skip_shift = 2 if wide else 8
        skip_ratio = (0.3 if wide else 60) * (8 if mode == "loud" else 1)
        for part, value in (
            ("multiplier", ratio * 2**shift),
            ("skip_multiplier", skip_ratio * 2 ** (shift - skip_shift)),
        ):
            leaves[f"{name}.projection.{part}"] = [
                min(LARGEST_MULTIPLIER, round(value * volume * rng.uniform(0.7, 1.3)))
                for _ in range(size)
            ]
        center = 3 if mode == "quiet" else 400
        leaves[f"{name}.projection.offset"] = _ints(rng, size, -center << shift, center << shift)
        if mode == "flat":
            leaves[f"{name}.projection.offset"] = [5 << shift] * size
        leaves[f"{name}.projection.shift"] = shift
        leaves[f"{name}.projection.skip_shift"] = skip_shift
        deviation = 9000 if wide else 50
        gain, offset, normal_shift = _scale(
            rng, size, deviation * math.sqrt(size) / 2**25, deviation // 3, mode, signed=True
        )
        leaves[f"{name}.layernorm.gain"] = gain
        leaves[f"{name}.layernorm.offset"] = offset
        leaves[f"{name}.layernorm.shift"] = normal_shift
        epsilon = {"quiet": 7, "flat": 4**6}.get(mode, 123456)
        leaves[f"{name}.layernorm.epsilon"] = epsilon

    if wide:
        scale("qkv.hidden", size, 1 / 200, 20)
    for name in ("query", "key", "value"):
        linear(f"qkv.{name}", size, size, 0.012, 15)
    steps = 0.3 / math.sqrt(size / shape.heads)
    shift = 3 if mode == "ties" else 18
    leaves["attention.scores_multiplier"] = [
        min(LARGEST_MULTIPLIER, round(steps * 2**shift * (1 + head / 3)))
        for head in range(shape.heads)
    ]
    leaves["attention.scores_shift"] = shift
    scale("attention.context", size, 1.5 / 2**16, 15)
    add_norm("attention", size)
    if wide:
        scale("intermediate.hidden", size, 1 / 150, 20)
    linear("intermediate.projection", inner, size, 2.0**fraction_bits / 5000, 40)
    leaves["intermediate.fraction_bits"] = fraction_bits
    scale("intermediate.activation", inner, 60 / 2.0**fraction_bits, 50)
    add_norm("output", inner)
    return leaves


def random_hidden(
    shape: Shape, seed: int, batch: int, sequence: int, small: bool = False
) -> list[list[list[int]]]:
    """Rows of every kind: spread, extreme, constant, nearly constant."""
    rng = random.Random(seed)
    top = 2 ** (shape.residual_bits - 1) - 1

    def row(kind: int) -> list[int]:
        if kind == 1:
            return [rng.choice((-top, top)) for _ in range(shape.hidden)]
        if kind == 2:
            return [rng.randint(-top, top)] * shape.hidden
        if kind == 3 or small:
            return _ints(rng, shape.hidden, -3, 3)
        return _ints(rng, shape.hidden, -top, top)

    return [[row(rng.randrange(6)) for _ in range(sequence)] for _ in range(batch)]


def random_mask(seed: int, batch: int, sequence: int) -> list[list[int]]:
    """Left, right and hole padding and none; at least one real token a sequence."""
    rng = random.Random(seed)
    rows = []
    for _ in range(batch):
        kind, cut = rng.randrange(4), rng.randrange(sequence)
        row = [
            [1] * sequence,
            [int(i <= cut) for i in range(sequence)],
            [int(i >= cut) for i in range(sequence)],
            [rng.randrange(2) for _ in range(sequence)],
        ][kind]
        row[cut] = 1
        rows.append(row)
    return rows


def random_case(
    seed: int,
    mode: str = "plain",
    shape: Shape = Shape(),
    batch: int = 2,
    sequence: int = 5,
    fraction_bits: int = 10,
    mask: list[list[int]] | None = None,
    **replaced: Any,
) -> Case:
    """A layer, its input and its mask from a seed; `replaced` leaves have __ for a dot."""
    leaves = random_leaves(shape, seed, mode, fraction_bits)
    leaves |= {name.replace("__", "."): value for name, value in replaced.items()}
    return Case(
        f"{mode}-r{shape.residual_bits}-{seed}",
        shape,
        leaves,
        random_hidden(shape, seed, batch, sequence, small=mode == "ties"),
        mask or random_mask(seed, batch, sequence),
    )
