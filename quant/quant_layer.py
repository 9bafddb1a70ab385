"""The original notebook's names for one encoder layer: float, integer, and integer once more.

`attention` and `ffn` are the float64 layer; `stage1` to `stage4` and `pipeline` call the integer
stages of `quant.bert`; the functions that end in `_dynamic` measure the scales of their input
themselves and evaluate the same stages with `quant_ops`, by other code than the integer stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, functional

from transfab.quant import quant_ops as ops
from transfab.quant.bert.attention import AttentionParameters
from transfab.quant.bert.intermediate import IntermediateParameters
from transfab.quant.bert.layer import STAGES, LayerParameters, run_stage
from transfab.quant.bert.output import OutputParameters
from transfab.quant.bert.pack import pack_layer
from transfab.quant.bert.qkv import QkvParameters
from transfab.quant.bert.real import tensor_scales
from transfab.quant.bert.reference import float_feed_forward, float_layer
from transfab.quant.bert.scales import Affine, Statistics, hidden_scales, layer_scales
from transfab.quant.bert.shapes import check_inputs
from transfab.quant.bert.weights import FloatArray, FloatLayer, load_layer
from transfab.quant.calibrate import one_thread_each, round_significant
from transfab.quant.config import LayerConfig

Args = dict[str, Any]
_STAGES = {stage.name: stage for stage in STAGES}


@dataclass(frozen=True)
class QuantizedLayer:
    """A layer calibrated on one sequence, and that sequence in integers.

    config  LayerConfig
    params  LayerParameters
    scales  tensor name -> Affine, of every tensor that stands for a real number
    hidden  (1, S, E) int8 or int16   zero where padding is
    mask    (1, S)    uint8           1 for a real token
    """

    config: LayerConfig
    params: LayerParameters
    scales: Mapping[str, Affine]
    hidden: Tensor
    mask: Tensor

    def dequantize(self, name: str, tensor: Tensor) -> Tensor:
        """Real numbers (1, S, N) float64 of the integer tensor called `name`."""
        return torch.from_numpy(self.scales[name].dequantize(tensor.numpy()))


def float_weights(layer: Module) -> FloatLayer:
    """Weights of a Hugging Face BertLayer in float64; ValueError for a module that is none."""
    weights = {name: tensor.detach().double() for name, tensor in layer.state_dict().items()}
    for name, tensor in weights.items():
        ops.check_finite(f"weight {name}", tensor)
    module: Any = layer
    try:
        activation = module.intermediate.intermediate_act_fn
        heads, epsilon = module.attention.self.num_attention_heads, module.output.LayerNorm.eps
        # Names are encoder.layer.0.NAME there and NAME here.
        loaded = load_layer(lambda x: weights[x.split(".", 3)[3]].numpy(), 0, heads, epsilon)
    except (AttributeError, KeyError) as err:
        raise ValueError(f"layer must be a BertLayer, not {type(layer).__name__}: {err}") from err
    x = torch.linspace(-4, 4, 65)
    if not torch.allclose(activation(x), functional.gelu(x), rtol=0, atol=1e-6):
        raise ValueError("hidden_act must be gelu, the exact one: load another model")
    return loaded


def _inputs(
    layer: Module, hidden_states: Tensor, attention_mask: Tensor | None = None
) -> tuple[FloatLayer, Tensor, Tensor]:
    """Checked weights, rows (S, E) float64 and which rows are real tokens, (S,) bool."""
    weights = float_weights(layer)
    return weights, *ops.sequence_rows(hidden_states, attention_mask, weights.query.bias.size)


def _float_tensors(weights: FloatLayer, rows: Tensor) -> dict[str, FloatArray]:
    with one_thread_each():
        return {"hidden": rows.numpy(), **float_layer(weights, rows.numpy())}


def attention(layer: Module, hidden_states: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """Run the attention half of a layer in float64, up to its LayerNorm.

    layer           BertLayer
    hidden_states   (1, S, E)           any real dtype
    attention_mask  (1, S) | None       1 for a real token
    ->              (1, S, E) float64   zero where padding is

    Raises ValueError for another module, another shape, or values that are not finite.
    """
    weights, rows, real = _inputs(layer, hidden_states, attention_mask)
    result = torch.zeros_like(rows)
    result[real] = torch.from_numpy(_float_tensors(weights, rows[real])["attention_output"])
    return result[None]


def ffn(layer: Module, attention_out: Tensor) -> Tensor:
    """Run the feed-forward half in float64, (1, S, E) to (1, S, E); raises as `attention` does."""
    weights, rows, _ = _inputs(layer, attention_out)
    with one_thread_each():
        return torch.from_numpy(float_feed_forward(weights, rows.numpy())["output"])[None]


def quantize_layer(
    layer: Module,
    hidden_states: Tensor,
    attention_mask: Tensor | None = None,
    residual_bits: int = 8,
) -> QuantizedLayer:
    """Calibrate a layer on the real tokens of one sequence and pack its integers.

    residual_bits  8 or 16   width of the residual stream; the rest as in `attention`

    Raises ValueError as `attention` does, and where a bound of the arithmetic does not hold: two
    tokens that differ are the least, or no tensor has a range.
    """
    weights, rows, real = _inputs(layer, hidden_states, attention_mask)
    inner = weights.intermediate.bias.size
    config = LayerConfig(rows.shape[1], weights.heads, inner, residual_bits=residual_bits)
    statistics = {
        name: Statistics(*(round_significant(v) for v in (t.min(0), t.max(0), t.mean(0))))
        for name, t in _float_tensors(weights, rows[real]).items()
    }
    hidden = hidden_scales(statistics["hidden"], residual_bits)
    output = hidden_scales(statistics["output"], residual_bits)
    scales = layer_scales(weights, statistics, hidden, output, residual_bits)
    integers = hidden.stream.quantize(rows.numpy(), residual_bits)
    integers[~real.numpy()] = 0
    mask = real[None].to(torch.uint8)
    check_inputs(config, {"hidden": integers[None], "mask": mask.numpy()})
    params, named = pack_layer(config, weights, scales, statistics), tensor_scales(scales)
    return QuantizedLayer(config, params, named, torch.from_numpy(integers[None]), mask)


def layer_kernel_gt(
    layer: Module, hidden_states: Tensor, **options: Any
) -> tuple[Args, Args, Args, Args]:
    """Keyword arguments of `stage1` to `stage4`; options and errors as in `quantize_layer`.

    ->  four dicts: the packed parameters, the layer's integer input where a stage reads it, and
        the factors M_query, M_key, M_value (E,) float64 and M_attention_probs float
    """
    kernel = quantize_layer(layer, hidden_states, **options)
    config, params = kernel.config, kernel.params
    shared: Args = {"config": config, "hidden_states": kernel.hidden}
    names = ("query", "key", "value")
    factors = {f"M_{name}": ops.factor(getattr(params.qkv, name).requantize) for name in names}
    first = {**shared, "params": params.qkv, **factors}
    second = {**shared, "params": params.attention, "attention_mask": kernel.mask}
    second["M_attention_probs"] = float(params.attention.exponential_table[0])
    third: Args = {"params": params.intermediate, "config": config}
    return first, second, third, {"params": params.output, "config": config}


def _run(name: str, config: LayerConfig, params: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Run one integer stage on its inputs, in order; refuses another dtype, such as float."""
    stage = _STAGES[name]
    stream = torch.int8 if config.residual_bits == 8 else torch.int16
    dtypes = {"hidden": stream, "attention_output": stream, "mask": torch.uint8}
    inputs = dict(zip(stage.inputs, tensors, strict=True))
    for tensor, value in inputs.items():
        if value.dtype != (wanted := dtypes.get(tensor, torch.int8)):
            raise ValueError(f"{tensor} must be {wanted}, not {value.dtype}: quantize it first")
    made = run_stage(config, stage, params, {name: x.numpy() for name, x in inputs.items()})
    return tuple(torch.from_numpy(made[output]) for output in stage.outputs)


def stage1(
    hidden_states: Tensor,
    params: QkvParameters,
    config: LayerConfig,
    M_query: Tensor,
    M_key: Tensor,
    M_value: Tensor,
) -> tuple[Tensor, ...]:
    """Project hidden states (1, S, E) int8 or int16 to query, key and value (1, S, E) int8.

    Raises ValueError for another dtype, and for an M that is not the factor in `params`.
    """
    for name, given in {"query": M_query, "key": M_key, "value": M_value}.items():
        if not torch.equal(given, ops.factor(getattr(params, name).requantize)):
            raise ValueError(f"M_{name} must be the factor in params: change the parameters")
    return _run("qkv", config, params, hidden_states)


def stage2(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    hidden_states: Tensor,
    attention_mask: Tensor,
    params: AttentionParameters,
    config: LayerConfig,
    M_attention_probs: float,
) -> Tensor:
    """Attend, project, add the layer's input and normalise, to (1, S, E) int8 or int16.

    Raises ValueError for another dtype, and for an M that is not the table's top in `params`.
    """
    if M_attention_probs != params.exponential_table[0]:
        raise ValueError(f"M_attention_probs must be {params.exponential_table[0]}, as in params")
    return _run("attention", config, params, query, key, value, hidden_states, attention_mask)[0]


def stage3(attention_out: Tensor, params: IntermediateParameters, config: LayerConfig) -> Tensor:
    """Project to F channels and apply GELU, to (1, S, F) int8; ValueError for another dtype."""
    return _run("intermediate", config, params, attention_out)[0]


def stage4(
    intermediate: Tensor, attention_out: Tensor, params: OutputParameters, config: LayerConfig
) -> Tensor:
    """Project back, add stage 2's output and normalise, to (1, S, E); ValueError as `stage3`."""
    return _run("output", config, params, intermediate, attention_out)[0]


def pipeline(layer: Module, hidden_states: Tensor, **options: Any) -> Tensor:
    """Run the four integer stages one after the other; options as in `quantize_layer`.

    ->  (1, S, E) int8 or int16   no float in between; `QuantizedLayer.dequantize` gives reals
    """
    first, second, third, fourth = layer_kernel_gt(layer, hidden_states, **options)
    query, key, value = stage1(**first)
    attention_out = stage2(query, key, value, **second)
    return stage4(stage3(attention_out, **third), attention_out, **fourth)


def _measured(
    layer: Module, hidden_states: Tensor, options: dict[str, Any]
) -> tuple[QuantizedLayer, Tensor]:
    """The calibrated layer, and its input (S, E) quantized here once more."""
    kernel = quantize_layer(layer, hidden_states, **options)
    scale = kernel.scales["hidden"]
    centered = hidden_states.detach()[0].double() - torch.from_numpy(scale.center)
    rows = ops.step(centered / torch.from_numpy(scale.scale), kernel.config.residual_bits)
    return kernel, rows * kernel.mask[0][:, None]


def stage1_dynamic(layer: Module, hidden_states: Tensor, **options: Any) -> tuple[Tensor, ...]:
    """Ground truth of stage 1, in steps of its int8 outputs, before they are rounded.

    ->  query, key, value (1, S, E) float64; options and errors as in `quantize_layer`
    """
    kernel, rows = _measured(layer, hidden_states, options)
    return tuple(tensor[None] for tensor in ops.qkv_gt(kernel.params.qkv, rows))


def stage2_dynamic(
    layer: Module, hidden_states: Tensor, query: Tensor, key: Tensor, value: Tensor, **options: Any
) -> Tensor:
    """Ground truth of stage 2, (1, S, E) float64, from operands that are rounded here to int8."""
    kernel, rows = _measured(layer, hidden_states, options)
    operands, real = (query[0], key[0], value[0]), kernel.mask[0].bool()
    return ops.attention_gt(kernel.config, kernel.params.attention, operands, rows, real)[None]


def stage3_dynamic(
    layer: Module, hidden_states: Tensor, attention_out: Tensor, **options: Any
) -> Tensor:
    """Ground truth of stage 3, (1, S, F) float64; its operand is rounded here to the stream."""
    kernel = quantize_layer(layer, hidden_states, **options)
    return ops.intermediate_gt(kernel.config, kernel.params.intermediate, attention_out[0])[None]


def stage4_dynamic(
    layer: Module,
    hidden_states: Tensor,
    intermediate: Tensor,
    attention_out: Tensor,
    **options: Any,
) -> Tensor:
    """Ground truth of stage 4, (1, S, E) float64; its operands are rounded here to integers."""
    kernel = quantize_layer(layer, hidden_states, **options)
    operands = intermediate[0], attention_out[0]
    return ops.output_gt(kernel.config, kernel.params.output, *operands)[None]


def pipeline_dynamic(layer: Module, hidden_states: Tensor, **options: Any) -> Tensor:
    """Ground truth of `pipeline`: the four `_dynamic` functions, none of the integer stages."""
    x = layer, hidden_states
    attention_out = stage2_dynamic(*x, *stage1_dynamic(*x, **options), **options)
    intermediate = stage3_dynamic(*x, attention_out, **options)
    return stage4_dynamic(*x, intermediate, attention_out, **options)
