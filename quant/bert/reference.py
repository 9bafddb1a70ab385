"""The float64 encoder layer: what every integer tensor is measured against.

One sequence at a time, without padding, in float64 on one thread an operator: its bits do not
depend on the batch, on the padding or on how many threads work on other sequences.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from transfab.quant.bert.weights import FloatArray, FloatEmbeddings, FloatLayer, FloatLinear


def _linear(x: torch.Tensor, linear: FloatLinear) -> torch.Tensor:
    return functional.linear(x, torch.from_numpy(linear.weight), torch.from_numpy(linear.bias))


def _norm(x: torch.Tensor, norm: FloatLinear, epsilon: float) -> torch.Tensor:
    weight, bias = torch.from_numpy(norm.weight), torch.from_numpy(norm.bias)
    return functional.layer_norm(x, x.shape[-1:], weight, bias, epsilon)


def embed(embeddings: FloatEmbeddings, tokens: list[int]) -> FloatArray:
    """Word, position and token-type embeddings of one sequence, normalised.

    tokens  S ints   in [0, V)
    ->      (S, E) float64
    """
    first = embeddings.first_position
    rows = (
        embeddings.word[tokens]
        + embeddings.token_type[0]
        + embeddings.position[first : first + len(tokens)]
    )
    return np.asarray(_norm(torch.from_numpy(rows), embeddings.norm, embeddings.epsilon).numpy())


def float_layer(layer: FloatLayer, hidden: FloatArray) -> dict[str, FloatArray]:
    """Run one encoder layer on one sequence.

    hidden  (S, E) float64
    ->      the float64 counterparts of the integer layer's tensors, by the same names:
            query, key, value, context, attention_sum, attention_output, intermediate_preactivation,
            intermediate_gelu, output_sum, output
    """
    x = torch.from_numpy(hidden)
    sequence, size = x.shape

    def heads(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.view(sequence, layer.heads, size // layer.heads).transpose(0, 1)

    query, key, value = _linear(x, layer.query), _linear(x, layer.key), _linear(x, layer.value)
    scores = heads(query) @ heads(key).transpose(-1, -2) / (size // layer.heads) ** 0.5
    context = (scores.softmax(-1) @ heads(value)).transpose(0, 1).reshape(sequence, size)
    attention_sum = _linear(context, layer.attention_output) + x
    attention_output = _norm(attention_sum, layer.attention_norm, layer.epsilon)
    tensors = {
        "query": query,
        "key": key,
        "value": value,
        "context": context,
        "attention_sum": attention_sum,
        "attention_output": attention_output,
    }
    halves = {name: np.asarray(tensor.numpy()) for name, tensor in tensors.items()}
    return halves | float_feed_forward(layer, halves["attention_output"])


def float_feed_forward(layer: FloatLayer, attention_output: FloatArray) -> dict[str, FloatArray]:
    """Run the feed-forward half of a layer on one sequence.

    attention_output  (S, E) float64
    ->                intermediate_preactivation, intermediate_gelu, output_sum, output
    """
    x = torch.from_numpy(attention_output)
    preactivation = _linear(x, layer.intermediate)
    activated = functional.gelu(preactivation)
    output_sum = _linear(activated, layer.output) + x
    tensors = {
        "intermediate_preactivation": preactivation,
        "intermediate_gelu": activated,
        "output_sum": output_sum,
        "output": _norm(output_sum, layer.output_norm, layer.epsilon),
    }
    return {name: tensor.numpy() for name, tensor in tensors.items()}
