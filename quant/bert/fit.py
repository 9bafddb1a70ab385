"""Fit a layer's weights to the integers that its projections read, one stage after the other.

Each projection is rounded for the operand that the integer layers before it really make, on
calibration text; its bias is set so that its mean output is the float model's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from transfab.quant.bert.layer import STAGES, LayerParameters, Stage, Tensors
from transfab.quant.bert.pack import Fit, Packed, operands, pack_layer, pack_weight
from transfab.quant.bert.rounding import Moments
from transfab.quant.bert.scales import LayerScales, Statistics
from transfab.quant.bert.weights import FloatArray, FloatLayer
from transfab.quant.config import LayerConfig
from transfab.quant.intmath import Array

Batch = dict[str, Array]


class Runner(Protocol):
    """Runs one stage of a layer, as an executor does."""

    def run(
        self, config: LayerConfig, stage: Stage, params: LayerParameters, inputs: Tensors
    ) -> Mapping[str, Array]: ...


def fit_layer(
    config: LayerConfig,
    layer: FloatLayer,
    scales: LayerScales,
    statistics: Mapping[str, Statistics],
    batches: list[Batch],
    runner: Runner,
) -> LayerParameters:
    """Round every projection of a layer on the integers of calibration text.

    statistics  of the float model on the same text, by the names of `float_layer` and `hidden`
    batches     `hidden` and `mask` of the integer layers before; `hidden` becomes this layer's
                output
    runner      executor that runs the stages

    Raises ValueError when a bound of the arithmetic does not hold.
    """
    packed: dict[str, Packed] = {}
    params = pack_layer(config, layer, scales, statistics)
    wide = config.residual_bits == 16
    # Per stage: its operand, and the projections that read it. A stage that makes the operand
    # itself runs once to make it and once more with the weights fitted to it.
    plan = {
        "qkv": ("hidden8" if wide else "hidden", ("query", "key", "value")),
        "attention": ("context", ("attention_output",)),
        "intermediate": ("attention_output8" if wide else "attention_output", ("intermediate",)),
        "output": ("intermediate", ("output",)),
    }
    wanted = mean_outputs(statistics)
    for stage in STAGES:
        operand, names = plan[stage.name]
        channels = getattr(layer, names[0]).weight.shape[1]
        moments = Moments.of(channels)
        for rows in _operand_rows(config, stage, params, batches, runner, operand):
            moments.add(rows)
        mean, covariance = moments.mean, moments.covariance
        for name in names:
            _, affine = operands(scales)[name]
            fit = Fit(mean, wanted[name], covariance)
            packed[name] = pack_weight(getattr(layer, name), affine, fit)
        params = pack_layer(config, layer, scales, statistics, packed)
        for batch in batches:
            made = runner.run(config, stage, params, batch)
            batch |= {name: made[name] for name in stage.outputs}
    for batch in batches:
        output = batch["output"]
        mask = batch["mask"]
        batch.clear()
        batch |= {"hidden": output, "mask": mask}
    return params


def mean_outputs(statistics: Mapping[str, Statistics]) -> dict[str, FloatArray]:
    """Mean output of each projection in the float model, by the projection's name."""
    means = {name: value.mean for name, value in statistics.items()}
    return {
        "query": means["query"],
        "key": means["key"],
        "value": means["value"],
        "attention_output": means["attention_sum"] - means["hidden"],
        "intermediate": means["intermediate_preactivation"],
        "output": means["output_sum"] - means["attention_output"],
    }


def _operand_rows(
    config: LayerConfig,
    stage: Stage,
    params: LayerParameters,
    batches: list[Batch],
    runner: Runner,
    operand: str,
) -> Iterator[Array]:
    """The operand's rows (R, K) of each batch, real tokens only."""
    for batch in batches:
        tensors = batch if operand in batch else runner.run(config, stage, params, batch)
        yield tensors[operand][batch["mask"].astype(bool)]
