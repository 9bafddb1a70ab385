"""The quantizer of the original notebook, and the layer's stages written a second time.

The second writing shares parameters but no code with `quant.bert`: exact float64 on whole
tensors, Python's unbounded integers for the constants of a row. Every value is an integer below
2**48 or such an integer over a power of two, so nothing here rounds except `round_half_up` and
the two ideal functions (exponential, normal distribution).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from transfab.quant.bert.attention import AttentionParameters
from transfab.quant.bert.intermediate import IntermediateParameters
from transfab.quant.bert.layernorm import LayerNorm
from transfab.quant.bert.output import OutputParameters
from transfab.quant.bert.qkv import QkvParameters
from transfab.quant.bert.residual import ResidualLinear
from transfab.quant.config import (
    EXPONENTIAL_BITS,
    EXPONENTIAL_ENTRIES,
    GELU_ENTRIES,
    GELU_RANGE,
    LayerConfig,
)
from transfab.quant.intmath import Array, Requantize


def tensor_quant_scale(
    x: torch.Tensor, bits: int = 8, *, scale: float | None = None
) -> tuple[torch.Tensor, float]:
    """Quantize a tensor symmetrically with one scale: divide, round half up, clamp.

    x      (...) any real dtype   finite, at least one element
    bits   int                    in [2, 16]; limit = 2**(bits - 1) - 1
    scale  float | None           real units of one step; None measures max|x| / limit, and takes
                                  1 for a tensor of zeros
    ->     (...) float64          integers in [-limit, limit], so that no later cast wraps
           float                  the scale

    Raises ValueError for other bits, a scale that is not positive and finite, an empty or complex
    tensor, NaN or infinity.
    """
    if type(bits) is not int or not 2 <= bits <= 16:
        raise ValueError(f"bits must be an integer in [2, 16], not {bits!r}")
    if not x.numel() or x.is_complex():
        raise ValueError(f"tensor must hold real numbers, not {tuple(x.shape)} {x.dtype}")
    real = x.detach().to(torch.float64)
    check_finite("tensor", real)
    limit = (1 << (bits - 1)) - 1
    if scale is None:
        largest = float(real.abs().max())
        # The smallest float64 stands in where the quotient of a denormal underflows to 0.
        scale = max(largest / limit, math.ulp(0.0)) if largest else 1.0
    if not 0 < scale < math.inf:
        raise ValueError(f"scale must be positive and finite, not {scale}")
    return round_half_up(real / scale).clamp(-limit, limit), float(scale)


def check_finite(name: str, x: torch.Tensor) -> None:
    """Raise ValueError naming the first element of `x` that is NaN or infinite."""
    finite = torch.isfinite(x.reshape(-1))
    if not bool(finite.all()):
        bad = int((~finite).nonzero()[0])
        raise ValueError(f"{name} must be finite, not {x.reshape(-1)[bad]} at element {bad}")


def sequence_rows(
    hidden_states: torch.Tensor, attention_mask: torch.Tensor | None, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows (S, E) float64 of one sequence and which of them are real tokens, (S,) bool.

    hidden_states   (1, S, E)      finite, E = size
    attention_mask  (1, S) | None  1 for a real token, 0 for padding

    Raises ValueError for another shape, NaN, infinity, or a mask without a token.
    """
    shape = hidden_states.shape
    if len(shape) != 3 or shape[0] != 1 or shape[2] != size:
        raise ValueError(f"hidden states must be (1, S, {size}), not {tuple(shape)}")
    check_finite("hidden states", hidden_states.detach())
    mask = torch.ones(shape[:2]) if attention_mask is None else attention_mask
    binary = bool(((mask == 0) | (mask == 1)).all())
    if mask.shape != shape[:2] or not binary or not bool(mask.any()):
        raise ValueError(f"mask must be {tuple(shape[:2])} of 0 and 1 with at least one 1")
    return hidden_states.detach()[0].double(), mask[0].bool()


def sqnr(reference: torch.Tensor, got: torch.Tensor) -> float:
    """Power of a real tensor over the power of another's deviation from it, in dB."""
    noise = float((reference.double() - got.double()).square().sum())
    return 10 * math.log10(float(reference.double().square().sum()) / noise) if noise else math.inf


def round_half_up(x: torch.Tensor) -> torch.Tensor:
    """Nearest integer, halves towards plus infinity; exact where floor(x + 0.5) rounds twice."""
    below = x.floor()
    return torch.where(x - below >= 0.5, below + 1, below)


def as_float(value: Array) -> torch.Tensor:
    """Integers of a parameter as float64."""
    return torch.from_numpy(value).double()


def step(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Round a tensor that is in steps of its integer, and clamp it to `bits`."""
    return tensor_quant_scale(x, bits, scale=1)[0]


def factor(scale: Requantize) -> torch.Tensor:
    """The real number, (N,) float64, that a requantization multiplies by; exact."""
    return as_float(scale.multiplier) / 2.0**scale.shift


def linear_gt(operand: torch.Tensor, weight: Array, bias: Array) -> torch.Tensor:
    """Accumulators operand (S, K) @ weight (N, K) + bias (N,), exact in float64."""
    return operand @ as_float(weight).T + as_float(bias)


def rescale_gt(acc: torch.Tensor, scale: Requantize) -> torch.Tensor:
    """Accumulators (..., N) in steps of the tensor that they become, before they are rounded."""
    return (acc * as_float(scale.multiplier) + as_float(scale.offset)) / 2.0**scale.shift


def operand_gt(stream: torch.Tensor, scale: Requantize | None) -> torch.Tensor:
    """The int8 operand of a projection: the stream itself where it has 8 bits, or requantized."""
    return stream if scale is None else step(rescale_gt(stream, scale), 8)


def qkv_gt(params: QkvParameters, stream: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Query, key and value of stage 1, in their steps, before they are rounded."""
    operand = operand_gt(stream, params.hidden)
    linears = (params.query, params.key, params.value)
    return tuple(rescale_gt(linear_gt(operand, x.weight, x.bias), x.requantize) for x in linears)


def residual_gt(params: ResidualLinear, operand: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    """Projection of `operand` plus the skip input, in steps of the sum, before rounding."""
    projected = linear_gt(operand, params.weight, params.bias) * as_float(params.multiplier)
    skipped = skip * as_float(params.skip_multiplier) * 2.0**params.skip_shift
    return (projected + skipped + as_float(params.offset)) / 2.0**params.shift


def per_row(rows: torch.Tensor, function: Callable[[int], float]) -> torch.Tensor:
    """Apply a function of Python integers to each element of an integer-valued tensor."""
    values = [float(function(int(row))) for row in rows.reshape(-1).tolist()]
    return torch.tensor(values, dtype=torch.float64).reshape(rows.shape)


def exponentials_gt(
    scores: torch.Tensor, allowed: torch.Tensor, multiplier: Array, shift: int
) -> torch.Tensor:
    """exp(score - largest score of the row), rounded once to 14 bits on 4096 steps.

    scores      (H, S, S) float64   integers
    allowed     (S,)      bool      False for keys of padding
    multiplier  (H,)      int32     steps per score unit, times 2**shift
    ->          (H, S, S) float64   integers in [0, 16383]; 0 for padding and from step 4095 on
    """
    scores = scores.masked_fill(~allowed, -math.inf)
    distance = scores.amax(dim=-1, keepdim=True) - scores
    index = round_half_up(distance * as_float(multiplier)[:, None, None] / 2.0**shift)
    top = (1 << EXPONENTIAL_BITS) - 1
    ideal = top * torch.exp(-index * (math.log(2 * top) / EXPONENTIAL_ENTRIES))
    return torch.where(index < EXPONENTIAL_ENTRIES - 1, round_half_up(ideal), 0.0)


def context_gt(exponentials: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Attended value of each row, in steps of the value / 2**16, by a 17-bit reciprocal.

    exponentials  (H, S, S) float64   integers
    value         (H, S, D) float64   integers in [-127, 127]
    ->            (H, S, D) float64   integers
    """
    total = exponentials.sum(dim=-1, keepdim=True)
    inverse = per_row(total, lambda t: ((1 << (16 + t.bit_length())) - 1) // t)
    before = per_row(total, lambda t: 2.0 ** -max(t.bit_length() - 19, 0))
    after = per_row(total, lambda t: 2.0 ** -min(t.bit_length(), 19))
    return round_half_up(round_half_up((exponentials @ value) * before) * inverse * after)


def layernorm_gt(config: LayerConfig, params: LayerNorm, total: torch.Tensor) -> torch.Tensor:
    """LayerNorm of rows of sums, in steps of its output, before that is rounded.

    total  (S, E) float64   integers
    ->     (S, E) float64
    """
    sums = total.sum(dim=-1, keepdim=True)
    deviation = total - round_half_up(sums * config.mean_multiplier / 2.0**config.mean_shift)
    squares = deviation.square().sum(dim=-1, keepdim=True) + params.epsilon

    def half_shift(square: int) -> int:
        return (34 - square.bit_length()) // 2

    def inverse(square: int) -> int:
        twice = 2 * half_shift(square)
        return ((1 << 33) - 1) // math.isqrt(square << twice if twice > 0 else square >> -twice)

    widen = per_row(squares, lambda square: 2.0 ** (half_shift(square) - 8))
    normalized = round_half_up(deviation * per_row(squares, inverse) * widen)
    return (normalized * as_float(params.gain) + as_float(params.offset)) / 2.0**params.shift


def gelu_gt(preactivation: torch.Tensor, fraction_bits: int) -> torch.Tensor:
    """GELU by its definition, its curved part held at the middle of steps of 1/64 below 4.

    preactivation  (...) float64   integers with `fraction_bits` fraction bits
    ->             (...) float64   integers, the same steps
    """
    width = GELU_RANGE / GELU_ENTRIES
    index = (preactivation.abs() / 2.0**fraction_bits / width).floor()
    middle = (index + 0.5) * width
    short = middle * torch.erfc(middle / math.sqrt(2)) / 2
    short = torch.where(index < GELU_ENTRIES, round_half_up(short * 2.0**fraction_bits), 0.0)
    return preactivation.clamp(min=0) - short


def attention_gt(
    config: LayerConfig,
    params: AttentionParameters,
    operands: Sequence[torch.Tensor],
    skip: torch.Tensor,
    allowed: torch.Tensor,
) -> torch.Tensor:
    """Stage 2, in steps of its output, before that is rounded.

    operands  query, key, value (S, E) float64   in int8 steps, rounded here
    skip      (S, E) float64                     integers, the layer's input
    allowed   (S,)   bool                        False where padding is
    ->        (S, E) float64
    """
    shape = len(skip), config.heads, config.head_size
    query, key, value = (step(x, 8).reshape(shape).transpose(0, 1) for x in operands)
    exponentials = exponentials_gt(
        query @ key.transpose(-1, -2), allowed, params.scores_multiplier, params.scores_shift
    )
    context = context_gt(exponentials, value).transpose(0, 1).reshape(skip.shape)
    context = step(rescale_gt(context, params.context), 8)
    total = step(residual_gt(params.projection, context, skip), 16)
    return layernorm_gt(config, params.layernorm, total)


def intermediate_gt(
    config: LayerConfig, params: IntermediateParameters, attention_out: torch.Tensor
) -> torch.Tensor:
    """Stage 3, in steps of its output, before that is rounded.

    attention_out  (S, E) float64   in steps of the stream, rounded here
    ->             (S, F) float64
    """
    operand = operand_gt(step(attention_out, config.residual_bits), params.hidden)
    acc = linear_gt(operand, params.projection.weight, params.projection.bias)
    preactivation = step(rescale_gt(acc, params.projection.requantize), 16)
    return rescale_gt(gelu_gt(preactivation, params.fraction_bits), params.activation)


def output_gt(
    config: LayerConfig,
    params: OutputParameters,
    intermediate: torch.Tensor,
    attention_out: torch.Tensor,
) -> torch.Tensor:
    """Stage 4, in steps of its output, before that is rounded.

    intermediate   (S, F) float64   in int8 steps, rounded here
    attention_out  (S, E) float64   in steps of the stream, rounded here
    ->             (S, E) float64
    """
    skip = step(attention_out, config.residual_bits)
    total = step(residual_gt(params.projection, step(intermediate, 8), skip), 16)
    return layernorm_gt(config, params.layernorm, total)
