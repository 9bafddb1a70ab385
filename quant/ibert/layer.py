"""I-BERT's encoder layer: its operators in order, every tensor under a path.

The paths are those of the public vectors, with `_HEAD` replaced by an axis of heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from transfab.quant.ibert.gelu import Gelu, gelu
from transfab.quant.ibert.layernorm import LayerNorm, layernorm
from transfab.quant.ibert.linear import (
    Linear,
    attention_context,
    attention_scores,
    linear,
    merge_heads,
    split_heads,
)
from transfab.quant.ibert.requantize import Dyadic, requantize
from transfab.quant.ibert.residual import Residual, residual
from transfab.quant.ibert.softmax import Softmax, mask_scores, softmax
from transfab.quant.intmath import Array, Int8Array, Int32Array

Tensors = dict[str, Array]


@dataclass(frozen=True)
class Attention:
    """Projections q, k, v with their scales (per channel), the softmax, the context's scale.

    Raises ValueError when the heads do not divide the channels or two projections differ.
    """

    query: Linear
    key: Linear
    value: Linear
    query_act: Dyadic
    key_act: Dyadic
    value_act: Dyadic
    softmax: Softmax
    context_act: Dyadic
    heads: int

    def __post_init__(self) -> None:
        shape = self.query.weight.shape
        for name, other in (("key", self.key), ("value", self.value)):
            if other.weight.shape != shape:
                raise ValueError(f"{name} weight must be {shape}, not {other.weight.shape}")
        if self.heads < 1 or shape[0] % self.heads:
            raise ValueError(f"heads must divide the {shape[0]} channels, not {self.heads}")


@dataclass(frozen=True)
class AddNorm:
    """Residual sum, LayerNorm and the scale of the layer's next int8 activation."""

    residual: Residual
    layernorm: LayerNorm
    act: Dyadic


@dataclass(frozen=True)
class FeedForwardAct:
    """GELU and the scale of its int8 activation."""

    gelu: Gelu
    act: Dyadic


@dataclass(frozen=True)
class LayerParameters:
    """A whole layer. `pre_intermediate` and `pre_output` are the second requantizations that
    Hugging Face's model has before each feed-forward matrix, None where there is none.

    Raises ValueError when two neighbouring operators differ in their channels.
    """

    attention: Attention
    self_output: Linear
    self_add_norm: AddNorm
    intermediate: Linear
    intermediate_act: FeedForwardAct
    output: Linear
    add_norm: AddNorm
    pre_intermediate: Dyadic | None = None
    pre_output: Dyadic | None = None

    def __post_init__(self) -> None:
        size = self.attention.query.weight.shape[1]
        width = self.attention.query.weight.shape[0]
        inner = self.intermediate.weight.shape[0]
        shapes = {
            "self_output": (self.self_output.weight.shape, (size, width)),
            "intermediate": (self.intermediate.weight.shape, (inner, size)),
            "output": (self.output.weight.shape, (size, inner)),
            "self_output LayerNorm": (self.self_add_norm.layernorm.bias.shape, (size,)),
            "output LayerNorm": (self.add_norm.layernorm.bias.shape, (size,)),
            "GELU": (self.intermediate_act.gelu.b.shape, (inner,)),
        }
        for name, (got, wanted) in shapes.items():
            if got != wanted:
                raise ValueError(f"{name} must have shape {wanted}, not {got}")


def below(prefix: str, tensors: Mapping[str, Array]) -> Tensors:
    """The same tensors, each path under `prefix`."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def self_attention(params: Attention, hidden: Int8Array, mask: Array) -> Tensors:
    """Projections, scores, softmax and context.

    hidden  (..., S, E) int8
    mask    (..., S)    bool or uint8   1 for a real token
    ->      every tensor by path, `act_out/output` (..., S, E) int8 last
    """
    made: Tensors = {}
    for name, projection, act in (
        ("q", params.query, params.query_act),
        ("k", params.key, params.key_act),
        ("v", params.value, params.value_act),
    ):
        made[f"linear_{name}/output"] = linear(projection, hidden)
        made[f"act_{name}/output"] = requantize(made[f"linear_{name}/output"], act)
    query, key, value = (split_heads(made[f"act_{name}/output"], params.heads) for name in "qkv")
    made["attention_matmul/output"] = attention_scores(query, key)
    made["softmax/soft_input"] = mask_scores(made["attention_matmul/output"], mask)
    made |= below("softmax", softmax(params.softmax, made["softmax/soft_input"]))
    made["softmax_matmul/output"] = attention_context(made["softmax/output"], value)
    made["concat/output"] = merge_heads(made["softmax_matmul/output"])
    made["act_out/output"] = requantize(made["concat/output"], params.context_act)
    return made


def add_norm(params: AddNorm, acc: Int32Array, skip: Int8Array) -> Tensors:
    """Residual sum and LayerNorm of a projection's accumulators.

    acc   (..., S, E) int32
    skip  (..., S, E) int8
    ->    every tensor by path, `act_layernorm/output` (..., S, E) int8 last
    """
    made = below("act_linear", residual(params.residual, acc, skip))
    made |= below("layernorm", layernorm(params.layernorm, made["act_linear/output"]))
    made["act_layernorm/output"] = requantize(made["layernorm/output"], params.act)
    return made


def feed_forward_act(params: FeedForwardAct, acc: Int32Array) -> Tensors:
    """GELU of the first feed-forward projection's accumulators, in int8.

    acc  (..., S, F) int32
    ->   every tensor by path, `act/output` (..., S, F) int8 last
    """
    made = below("gelu", gelu(params.gelu, acc))
    made["act/output"] = requantize(made["gelu/output"], params.act)
    return made


def run_layer(params: LayerParameters, hidden: Int8Array, mask: Array) -> Tensors:
    """Run the whole layer.

    hidden  (..., S, E) int8
    mask    (..., S)    bool or uint8   1 for a real token, at least one a sequence
    ->      every tensor by path, `output/act_layernorm/output` (..., S, E) int8 last

    Raises ValueError when the input or the mask has the wrong shape, or no token is real.
    """
    size = params.attention.query.weight.shape[1]
    if hidden.ndim < 2 or hidden.shape[-1] != size or hidden.dtype != "int8":
        raise ValueError(f"hidden must be (..., S, {size}) int8, not {hidden.shape} {hidden.dtype}")
    if mask.shape != hidden.shape[:-1] or not mask.any(axis=-1).all():
        raise ValueError(
            f"mask must be {hidden.shape[:-1]} with a real token in every sequence, "
            f"not {mask.shape} of {int(mask.sum())}"
        )
    made = below("self_attention", self_attention(params.attention, hidden, mask))
    made["self_output/linear/output"] = linear(
        params.self_output, made["self_attention/act_out/output"]
    )
    made |= below(
        "self_output", add_norm(params.self_add_norm, made["self_output/linear/output"], hidden)
    )
    middle = made["self_output/act_layernorm/output"]
    if params.pre_intermediate is not None:
        middle = made["intermediate/pre_act/output"] = requantize(middle, params.pre_intermediate)
    made["intermediate/linear/output"] = linear(params.intermediate, middle)
    made |= below(
        "intermediate",
        feed_forward_act(params.intermediate_act, made["intermediate/linear/output"]),
    )
    inner = made["intermediate/act/output"]
    if params.pre_output is not None:
        inner = made["output/pre_act/output"] = requantize(inner, params.pre_output)
    made["output/linear/output"] = linear(params.output, inner)
    made |= below("output", add_norm(params.add_norm, made["output/linear/output"], middle))
    return made
