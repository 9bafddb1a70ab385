"""The four stages of a layer: what each reads, writes and computes in between, and the cascade.

This table is the one place that knows the order; bundles, executors and reports walk it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from transfab.quant.bert.attention import AttentionParameters, attention
from transfab.quant.bert.intermediate import IntermediateParameters, intermediate
from transfab.quant.bert.output import OutputParameters, output
from transfab.quant.bert.qkv import QkvParameters, qkv
from transfab.quant.bert.residual import ResidualLinear
from transfab.quant.bert.shapes import check_inputs
from transfab.quant.config import LayerConfig
from transfab.quant.intmath import Array
from transfab.quant.parameters import Linear

Tensors = Mapping[str, Array]


@dataclass(frozen=True)
class Stage:
    """One integer stage: a pure function of its inputs and parameters."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: type[Any]
    function: Callable[..., dict[str, Array]]


STAGES: tuple[Stage, ...] = (
    Stage("qkv", ("hidden",), ("query", "key", "value"), QkvParameters, qkv),
    Stage(
        "attention",
        ("query", "key", "value", "hidden", "mask"),
        ("attention_output",),
        AttentionParameters,
        attention,
    ),
    Stage(
        "intermediate",
        ("attention_output",),
        ("intermediate",),
        IntermediateParameters,
        intermediate,
    ),
    Stage("output", ("intermediate", "attention_output"), ("output",), OutputParameters, output),
)


@dataclass(frozen=True)
class LayerParameters:
    """Integer parameters of one layer, a field a stage."""

    qkv: QkvParameters
    attention: AttentionParameters
    intermediate: IntermediateParameters
    output: OutputParameters


def check_shapes(config: LayerConfig, params: LayerParameters) -> None:
    """Raise ValueError unless every projection has the shape that the config gives it."""
    size, inner = config.hidden, config.inner
    shapes: dict[str, tuple[Linear | ResidualLinear, tuple[int, int]]] = {
        "query": (params.qkv.query, (size, size)),
        "key": (params.qkv.key, (size, size)),
        "value": (params.qkv.value, (size, size)),
        "attention projection": (params.attention.projection, (size, size)),
        "intermediate projection": (params.intermediate.projection, (inner, size)),
        "output projection": (params.output.projection, (size, inner)),
    }
    for name, (linear, shape) in shapes.items():
        if linear.weight.shape != shape:
            raise ValueError(f"{name} weight must be {shape}, not {linear.weight.shape}")
    vectors = {
        "attention LayerNorm": (params.attention.layernorm.gain, size),
        "output LayerNorm": (params.output.layernorm.gain, size),
        "context": (params.attention.context.multiplier, size),
        "scores": (params.attention.scores_multiplier, config.heads),
        "activation": (params.intermediate.activation.multiplier, inner),
    }
    for stage, scale in (("qkv", params.qkv.hidden), ("intermediate", params.intermediate.hidden)):
        if (scale is None) != (config.residual_bits == 8):
            raise ValueError(
                f"{stage} must requantize its input exactly when residual_bits is 16, "
                f"not {config.residual_bits}"
            )
        if scale is not None:
            vectors[f"{stage} input"] = (scale.multiplier, size)
    params.attention.projection.check_skip(config.residual_bits)
    params.output.projection.check_skip(config.residual_bits)
    for name, (vector, length) in vectors.items():
        if vector.shape != (length,):
            raise ValueError(f"{name} must have {length} channels, not {vector.shape}")


def run_stage(config: LayerConfig, stage: Stage, params: Any, tensors: Tensors) -> dict[str, Array]:
    """Run one stage on the tensors that it reads; returns every tensor that it makes, in order.

    Raises ValueError for an input that does not fit (see `check_inputs`).
    """
    inputs = {name: tensors[name] for name in stage.inputs}
    check_inputs(config, inputs)
    return stage.function(config, params, *inputs.values())


def run_layer(
    config: LayerConfig, params: LayerParameters, hidden: Array, mask: Array
) -> dict[str, Array]:
    """Run the four stages.

    hidden  (B, S, E) int16 or int8 by config.residual_bits
    mask    (B, S)    uint8   1 for a real token; masked rows are computed but attend to nobody
    ->      every tensor of every stage by name, `output` (B, S, E) last
    """
    check_shapes(config, params)
    tensors: dict[str, Array] = {"hidden": hidden, "mask": mask}
    check_inputs(config, tensors)
    for stage in STAGES:
        inputs = (tensors[name] for name in stage.inputs)
        tensors |= stage.function(config, getattr(params, stage.name), *inputs)
    return tensors


assert tuple(field.name for field in fields(LayerParameters)) == tuple(s.name for s in STAGES)
