"""Names, shapes and dtypes of every tensor of a layer, in the order in which stages make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from transfab.quant.config import LayerConfig
from transfab.quant.intmath import Array, limit

# Axes: B batch, S sequence, E hidden, F feed-forward with its copies, H heads. `stream` is the
# residual stream's dtype; a name that ends in "?" exists with a 16-bit residual only.
_LAYERNORM: Final = (
    ("mean", "BS", "int32"),
    ("squares", "BS", "int64"),
    ("root", "BS", "int32"),
    ("reciprocal", "BS", "int32"),
    ("normalized", "BSE", "int32"),
)
TENSORS: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "qkv": (
        ("hidden8?", "BSE", "int8"),
        ("query_accumulator", "BSE", "int32"),
        ("query", "BSE", "int8"),
        ("key_accumulator", "BSE", "int32"),
        ("key", "BSE", "int8"),
        ("value_accumulator", "BSE", "int32"),
        ("value", "BSE", "int8"),
    ),
    "attention": (
        ("scores", "BHSS", "int32"),
        ("scores_maximum", "BHS", "int32"),
        ("exponential_index", "BHSS", "int16"),
        ("exponential", "BHSS", "int16"),
        ("exponential_sum", "BHS", "int32"),
        ("context_accumulator", "BSE", "int32"),
        ("context_reciprocal", "BHS", "int32"),
        ("context_mean", "BSE", "int32"),
        ("context", "BSE", "int8"),
        ("attention_accumulator", "BSE", "int32"),
        ("attention_sum", "BSE", "int16"),
        *((f"attention_{name}", axes, dtype) for name, axes, dtype in _LAYERNORM),
        ("attention_output", "BSE", "stream"),
    ),
    "intermediate": (
        ("attention_output8?", "BSE", "int8"),
        ("intermediate_accumulator", "BSF", "int32"),
        ("intermediate_preactivation", "BSF", "int16"),
        ("intermediate_gelu", "BSF", "int16"),
        ("intermediate", "BSF", "int8"),
    ),
    "output": (
        ("output_accumulator", "BSE", "int32"),
        ("output_sum", "BSE", "int16"),
        *((f"output_{name}", axes, dtype) for name, axes, dtype in _LAYERNORM),
        ("output", "BSE", "stream"),
    ),
}
INPUTS: Final = {"hidden": ("BSE", "stream"), "mask": ("BS", "uint8")}

Specification = tuple[tuple[int, ...], str]


def specifications(
    config: LayerConfig, stage: str, batch: int, sequence: int
) -> dict[str, Specification]:
    """Shape and dtype of each tensor that a stage makes, in order.

    stage     name of a stage, or "inputs" for `hidden` and `mask`
    batch     B
    sequence  S
    ->        name -> (shape, dtype name)
    """
    sizes = {
        "B": batch,
        "S": sequence,
        "E": config.hidden,
        "F": config.inner,
        "H": config.heads,
    }
    made: dict[str, Specification] = {}
    rows = ((n, a, d) for n, (a, d) in INPUTS.items()) if stage == "inputs" else TENSORS[stage]
    for name, axes, dtype in rows:
        if not name.endswith("?") or config.residual_bits == 16:
            kind = f"int{config.residual_bits}" if dtype == "stream" else dtype
            made[name.rstrip("?")] = (tuple(sizes[axis] for axis in axes), kind)
    return made


def check_inputs(config: LayerConfig, tensors: Mapping[str, Array]) -> None:
    """Raise ValueError unless tensors that a stage reads fit the config and each other.

    tensors  name -> tensor, the first of them (B, S, channels); as `specifications` gives shapes
             and dtypes, B >= 1, S in [1, config.sequence], no value below -127 or -32767, a mask
             of 0 and 1 with a real token in every sequence (without one there is no softmax)
    """
    name, first = next(iter(tensors.items()))
    if first.ndim != 3:
        raise ValueError(f"{name} must be (B, S, channels), not {first.shape}")
    batch, sequence = first.shape[:2]
    if not 1 <= sequence <= config.sequence or batch < 1:
        raise ValueError(
            f"sequence length must be in [1, {config.sequence}] and the batch at least 1, "
            f"not {sequence} and {batch}: shorten the text"
        )
    expected: dict[str, Specification] = {}
    for stage in ("inputs", *TENSORS):
        expected |= specifications(config, stage, batch, sequence)
    for name, tensor in tensors.items():
        shape, dtype = expected[name]
        if tensor.shape != shape or tensor.dtype != np.dtype(dtype):
            raise ValueError(f"{name} must be {shape} {dtype}, not {tensor.shape} {tensor.dtype}")
        if name == "mask":
            if tensor.max() > 1:
                raise ValueError(f"mask must be of 0 and 1, not {int(tensor.max())}")
            if not (real := tensor.any(axis=1)).all():
                raise ValueError(f"sequence {int(real.argmin())} has no unmasked token")
        elif int(tensor.min()) < -limit(8 * tensor.itemsize):
            raise ValueError(
                f"{name} must be at least {-limit(8 * tensor.itemsize)}, not "
                f"{int(tensor.min())}: saturate it"
            )
