"""Every tensor of a layer: its width in signed bits and what it is, in one place.

Reports print the text, tests hold every recorded tensor to its width, and widths of hardware
signals follow from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class TensorInfo:
    """bits: signed width that always suffices; clamped: saturates at the limit of its type."""

    bits: int
    text: str
    clamped: bool = False


_LAYERNORM: Final = {
    "mean": TensorInfo(17, "row mean"),
    "squares": TensorInfo(44, "sum of squared deviations"),
    "root": TensorInfo(18, "its root, normalised"),
    "reciprocal": TensorInfo(18, "reciprocal of the root"),
    "normalized": TensorInfo(27, "deviation over root"),
}

TENSORS: Final = {
    "hidden": TensorInfo(16, "input of the layer", True),
    "mask": TensorInfo(2, "1 for a real token"),
    "hidden8": TensorInfo(8, "input as int8 operand", True),
    "query_accumulator": TensorInfo(27, "query before scaling"),
    "key_accumulator": TensorInfo(27, "key before scaling"),
    "value_accumulator": TensorInfo(27, "value before scaling"),
    "query": TensorInfo(8, "what each token asks", True),
    "key": TensorInfo(8, "what each token offers", True),
    "value": TensorInfo(8, "what each token passes on", True),
    "scores": TensorInfo(22, "query times key"),
    "scores_maximum": TensorInfo(22, "largest score of a row"),
    "exponential_index": TensorInfo(13, "distance to it, in table steps"),
    "exponential": TensorInfo(15, "softmax before division"),
    "exponential_sum": TensorInfo(24, "row sum of exponentials"),
    "context_accumulator": TensorInfo(31, "exponentials times value"),
    "context_reciprocal": TensorInfo(18, "reciprocal of the row sum"),
    "context_mean": TensorInfo(24, "attended value"),
    "context": TensorInfo(8, "attended value as int8", True),
    "attention_accumulator": TensorInfo(27, "output projection"),
    "attention_sum": TensorInfo(16, "projection + input", True),
    **{f"attention_{name}": info for name, info in _LAYERNORM.items()},
    "attention_output": TensorInfo(16, "first LayerNorm", True),
    "attention_output8": TensorInfo(8, "the same as int8 operand", True),
    "intermediate_accumulator": TensorInfo(27, "first feed-forward projection"),
    "intermediate_preactivation": TensorInfo(16, "input of GELU", True),
    "intermediate_gelu": TensorInfo(16, "GELU"),
    "intermediate": TensorInfo(8, "GELU as int8", True),
    "output_accumulator": TensorInfo(27, "second feed-forward projection"),
    "output_sum": TensorInfo(16, "projection + first LayerNorm", True),
    **{f"output_{name}": info for name, info in _LAYERNORM.items()},
    "output": TensorInfo(16, "output of the layer", True),
}
