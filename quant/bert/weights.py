"""Float weights of an encoder layer, by Hugging Face's names, and of its embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}


@dataclass(frozen=True)
class FloatLinear:
    """weight (N, K) and bias (N,) of a projection, or gain (E,) and bias (E,) of a LayerNorm."""

    weight: FloatArray
    bias: FloatArray


@dataclass(frozen=True)
class FloatLayer:
    """Weights of one encoder layer in float64.

    query, key, value, attention_output  (E, E), (E,)
    intermediate                         (F, E), (F,)
    output                               (E, F), (E,)
    attention_norm, output_norm          (E,), (E,)
    heads                                int
    epsilon                              float   of both LayerNorms

    Raises ValueError when the shapes do not fit together.
    """

    query: FloatLinear
    key: FloatLinear
    value: FloatLinear
    attention_output: FloatLinear
    attention_norm: FloatLinear
    intermediate: FloatLinear
    output: FloatLinear
    output_norm: FloatLinear
    heads: int
    epsilon: float

    def __post_init__(self) -> None:
        if self.intermediate.weight.ndim != 2:
            raise ValueError("intermediate weight must be a matrix (F, E), not a vector")
        inner, size = self.intermediate.weight.shape
        shapes = dict.fromkeys(NAMES, (size, size)) | {
            "attention_norm": (size,),
            "output_norm": (size,),
            "intermediate": (inner, size),
            "output": (size, inner),
        }
        for name, shape in shapes.items():
            linear: FloatLinear = getattr(self, name)
            if linear.weight.shape != shape or linear.bias.shape != shape[:1]:
                raise ValueError(
                    f"{name} weight and bias must be {shape} and {shape[:1]}, not "
                    f"{linear.weight.shape} and {linear.bias.shape}"
                )


@dataclass(frozen=True)
class FloatEmbeddings:
    """Embedding tables and their LayerNorm in float64; `first_position` is 0, or RoBERTa's
    padding index + 1.

    word (V, E), position (P, E), token_type (T, E), norm (E,), (E,)
    """

    word: FloatArray
    position: FloatArray
    token_type: FloatArray
    norm: FloatLinear
    epsilon: float
    first_position: int


def aligned(values: FloatArray) -> FloatArray:
    """The same values at a 64-byte boundary: a BLAS may add in another order at another one."""
    room = np.empty(values.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + values.nbytes].view(np.float64).reshape(values.shape)
    copy[...] = values
    return copy


def load_layer(
    read: Callable[[str], FloatArray], index: int, heads: int, epsilon: float
) -> FloatLayer:
    """Gather one layer through `read`, which maps a Hugging Face tensor name to a float64 array."""
    linears = {
        field: FloatLinear(
            aligned(read(f"encoder.layer.{index}.{name}.weight")),
            aligned(read(f"encoder.layer.{index}.{name}.bias")),
        )
        for field, name in NAMES.items()
    }
    return FloatLayer(**linears, heads=heads, epsilon=epsilon)


def load_embeddings(
    read: Callable[[str], FloatArray], epsilon: float, first_position: int
) -> FloatEmbeddings:
    """Gather the embedding tables through `read`."""
    return FloatEmbeddings(
        word=read("embeddings.word_embeddings.weight"),
        position=read("embeddings.position_embeddings.weight"),
        token_type=read("embeddings.token_type_embeddings.weight"),
        norm=FloatLinear(read("embeddings.LayerNorm.weight"), read("embeddings.LayerNorm.bias")),
        epsilon=epsilon,
        first_position=first_position,
    )
