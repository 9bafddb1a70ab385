"""Names, shapes and dtypes of every tensor of a layer, in the order in which stages make them."""

from __future__ import annotations

from typing import Final

from transfab.quant.config import LayerConfig

# Axes: B batch, S sequence, E hidden, F feed-forward, H heads. `stream` is the residual stream's
# dtype; a name that ends in "?" exists with a 16-bit residual only.
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
        "F": config.feed_forward,
        "H": config.heads,
    }
    made: dict[str, Specification] = {}
    rows = ((n, a, d) for n, (a, d) in INPUTS.items()) if stage == "inputs" else TENSORS[stage]
    for name, axes, dtype in rows:
        if not name.endswith("?") or config.residual_bits == 16:
            kind = f"int{config.residual_bits}" if dtype == "stream" else dtype
            made[name.rstrip("?")] = (tuple(sizes[axis] for axis in axes), kind)
    return made
