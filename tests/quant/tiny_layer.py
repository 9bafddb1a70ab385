"""One small float layer, its integers and some sequences, for tests of what integers stand for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfab.quant.bert.layer import LayerParameters, run_layer
from transfab.quant.bert.pack import pack_layer
from transfab.quant.bert.reference import float_layer
from transfab.quant.bert.scales import (
    LayerScales,
    Statistics,
    hidden_scales,
    layer_scales,
)
from transfab.quant.bert.weights import FloatArray, FloatLayer, FloatLinear
from transfab.quant.calibrate import pad
from transfab.quant.config import LayerConfig
from transfab.quant.intmath import Array

SIZE, HEADS, INNER, EPSILON = 16, 2, 32, 1e-3
LENGTHS = (9, 1, 5)


@dataclass(frozen=True)
class Tiny:
    """layer, params and scales of one width; floats of each sequence, tensors of their batch."""

    config: LayerConfig
    layer: FloatLayer
    params: LayerParameters
    scales: LayerScales
    floats: list[dict[str, FloatArray]]
    tensors: dict[str, Array]


def tiny_layer(residual_bits: int = 16) -> Tiny:
    """Seeded; calibrated on its own three sequences, of 9, 1 and 5 tokens."""
    rng = np.random.default_rng(5)

    def linear(outputs: int, inputs: int) -> FloatLinear:
        return FloatLinear(rng.normal(0, 0.3, (outputs, inputs)), rng.normal(0, 0.3, outputs))

    def norm() -> FloatLinear:
        return FloatLinear(rng.normal(1, 0.2, SIZE), rng.normal(0, 0.2, SIZE))

    square = [linear(SIZE, SIZE) for _ in range(4)]
    layer = FloatLayer(
        *square[:3], square[3], norm(), linear(INNER, SIZE), linear(SIZE, INNER), norm(),
        heads=HEADS, epsilon=EPSILON,
    )  # fmt: skip
    config = LayerConfig(SIZE, HEADS, INNER, residual_bits=residual_bits)
    states = [rng.normal(0.2, 1, (length, SIZE)) for length in LENGTHS]
    floats = [{"hidden": state, **float_layer(layer, state)} for state in states]
    statistics = {}
    for name in floats[0]:
        rows = np.concatenate([tensors[name] for tensors in floats])
        statistics[name] = Statistics(rows.min(axis=0), rows.max(axis=0), rows.mean(axis=0))
    hidden = hidden_scales(statistics["hidden"], residual_bits)
    output = hidden_scales(statistics["output"], residual_bits)
    scales = layer_scales(layer, statistics, hidden, output, residual_bits)
    params = pack_layer(config, layer, scales, statistics)
    inputs = pad(states, scales.hidden.stream, residual_bits)
    return Tiny(config, layer, params, scales, floats, run_layer(config, params, **inputs))
