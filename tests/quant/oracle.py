"""The integer layer a second time: plain Python integers and exact decimals, nothing shared.

It follows the formulas of the docstrings, one number at a time, and imports neither numpy nor
the product. Rows and matrices are lists; a tensor is a nested list in the product's shape.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from math import floor
from typing import Any

Row = Sequence[int]
Leaves = Mapping[str, Any]

HALF = Fraction(1, 2)
DIGITS = 40
PI = Decimal("3.14159265358979323846264338327950288419716939937510")


def round_shift(value: int, shift: int) -> int:
    """Nearest integer of value / 2**shift, halves up."""
    return (2 * value + 2**shift) // 2 ** (shift + 1)


def clamp(value: int, bits: int) -> int:
    top = 2 ** (bits - 1) - 1
    return min(top, max(-top, value))


def requantize(value: int, multiplier: int, offset: int, shift: int, bits: int) -> int:
    return clamp(round_shift(value * multiplier + offset, shift), bits)


def mean_constants(size: int) -> tuple[int, int]:
    """The shift and the 17-bit multiplier that stand for 1 / size."""
    shift = 16
    while 2 ** (shift - 16) < size:
        shift += 1
    return shift, floor(Fraction(2**shift, size) + HALF)


@functools.cache
def exponential_values() -> list[Decimal]:
    """16383 * exp(-index * step) to 40 digits; step makes entry 4096 one half."""
    with localcontext() as context:
        context.prec = DIGITS
        step = Decimal(32766).ln() / 4096
        return [16383 * (-index * step).exp() for index in range(4096)]


@functools.cache
def exponential_table() -> list[int]:
    rounded = [int(value.to_integral_value(ROUND_HALF_UP)) for value in exponential_values()]
    return [*rounded[:-1], 0]


def shortfall(x: Decimal) -> Decimal:
    """x * Phi(-x) for 0 <= x <= 4, by the series Phi(x) = 1/2 + phi(x) (x + x^3/3 + x^5/15 ...)."""
    with localcontext() as context:
        context.prec = DIGITS
        term = total = x
        odd = 1
        while term > Decimal(10) ** -DIGITS:
            odd += 2
            term = term * x * x / odd
            total += term
        density = (-x * x / 2).exp() / (2 * PI).sqrt()
        return x * (Decimal("0.5") - density * total)


@functools.cache
def gelu_middles() -> list[Decimal]:
    return [shortfall(Decimal(2 * index + 1) / 128) for index in range(256)]


@functools.cache
def gelu_table(fraction_bits: int) -> list[int]:
    steps = (value * 2**fraction_bits for value in gelu_middles())
    return [int(value.to_integral_value(ROUND_HALF_UP)) for value in steps]


def gelu(x: int, table: Row, fraction_bits: int) -> int:
    index = abs(x) * 64 // 2**fraction_bits
    return max(x, 0) - (table[index] if index < 256 else 0)


def project(row: Row, weight: Sequence[Row], bias: Row) -> list[int]:
    return [
        sum(a * w for a, w in zip(row, channel, strict=True)) + b
        for channel, b in zip(weight, bias, strict=True)
    ]


def scaled(row: Row, leaves: Leaves, name: str, bits: int) -> list[int]:
    """Requantize a row with the constants `name`.multiplier, .offset and .shift."""
    constants = zip(row, leaves[f"{name}.multiplier"], leaves[f"{name}.offset"], strict=True)
    return [requantize(a, m, o, leaves[f"{name}.shift"], bits) for a, m, o in constants]


def softmax(
    scores: Row, mask: Row, multiplier: int, shift: int, table: Row
) -> tuple[int, list[int], list[int], int]:
    """Largest unmasked score of a row, table indices, exponentials and their sum."""
    top = max(score for score, real in zip(scores, mask, strict=True) if real)
    indices, values = [], []
    for score, real in zip(scores, mask, strict=True):
        index = min(4095, round_shift((top - score) * multiplier, shift)) if real else 4095
        indices.append(index)
        values.append(table[index] if real else 0)
    return top, indices, values, sum(values)


def normalize(context: Row, total: int) -> tuple[int, list[int]]:
    """Reciprocal of a row sum, and the context sums divided by it, 16 fraction bits."""
    bits = total.bit_length()
    inverse = (2 ** (16 + bits) - 1) // total
    pre, post = (bits - 19, 19) if bits > 19 else (0, bits)
    return inverse, [round_shift(round_shift(value, pre) * inverse, post) for value in context]


def layernorm(row: Row, leaves: Leaves, name: str, bits: int) -> dict[str, Any]:
    shift, multiplier = mean_constants(len(row))
    mean = round_shift(sum(row) * multiplier, shift)
    deviations = [value - mean for value in row]
    squares = sum(c * c for c in deviations) + leaves[f"{name}.epsilon"]
    half_shift, widened = 0, squares
    while widened < 2**32:
        half_shift, widened = half_shift + 1, 4 * widened
    while widened >= 2**34:
        half_shift, widened = half_shift - 1, widened // 4
    root = 2**16
    while (root + 1) ** 2 <= widened:  # from below: the root has 17 bits
        step = 1
        while (root + 2 * step) ** 2 <= widened:
            step *= 2
        root += step
    inverse = (2**33 - 1) // root
    scale = Fraction(1, 2**8) * Fraction(2) ** half_shift
    normalized = [floor(c * inverse * scale + HALF) for c in deviations]
    constants = zip(normalized, leaves[f"{name}.gain"], leaves[f"{name}.offset"], strict=True)
    output = [requantize(u, g, b, leaves[f"{name}.shift"], bits) for u, g, b in constants]
    return {
        "mean": mean,
        "squares": squares,
        "root": root,
        "reciprocal": inverse,
        "normalized": normalized,
        "output": output,
    }


def residual(acc: Row, skip: Row, leaves: Leaves, name: str) -> list[int]:
    columns = (leaves[f"{name}.{part}"] for part in ("multiplier", "skip_multiplier", "offset"))
    return [
        clamp(
            round_shift(
                a * m + x * n * 2 ** leaves[f"{name}.skip_shift"] + o, leaves[f"{name}.shift"]
            ),
            16,
        )
        for a, x, m, n, o in zip(acc, skip, *columns, strict=True)
    ]


def attend(
    leaves: Leaves, heads: int, query: list[Row], key: list[Row], value: list[Row], mask: Row
) -> dict[str, Any]:
    """Scores to normalised context of one sequence; tensors of heads first, then rows."""
    size = len(query[0]) // heads
    names = ("scores", "scores_maximum", "exponential_index", "exponential", "exponential_sum")
    tensors: dict[str, Any] = {name: [] for name in (*names, "context_reciprocal")}
    sums: list[list[int]] = [[] for _ in query]
    means: list[list[int]] = [[] for _ in query]
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        rows: dict[str, list[Any]] = {name: [] for name in tensors}
        for position, asked in enumerate(query):
            scores = [sum(a * b for a, b in zip(asked[part], k[part], strict=True)) for k in key]
            top, indices, exponentials, total = softmax(
                scores,
                mask,
                leaves["attention.scores_multiplier"][head],
                leaves["attention.scores_shift"],
                leaves["attention.exponential_table"],
            )
            context = [
                sum(e * v[channel] for e, v in zip(exponentials, value, strict=True))
                for channel in range(head * size, (head + 1) * size)
            ]
            inverse, mean = normalize(context, total)
            sums[position] += context
            means[position] += mean
            for name, made in zip(
                rows, (scores, top, indices, exponentials, total, inverse), strict=True
            ):
                rows[name].append(made)
        for name, made in rows.items():
            tensors[name].append(made)
    inverses = tensors.pop("context_reciprocal")
    return {
        **tensors,
        "context_accumulator": sums,
        "context_reciprocal": inverses,
        "context_mean": means,
    }


def sequence(
    leaves: Leaves, heads: int, residual_bits: int, hidden: list[Row], mask: Row
) -> dict[str, Any]:
    """Every tensor of the layer for one sequence of S rows."""

    def linear(rows: list[Row], name: str) -> list[list[int]]:
        weight, bias = leaves[f"{name}.weight"], leaves[f"{name}.bias"]
        return [project(row, weight, bias) for row in rows]

    def add_norm(rows: list[Row], skip: list[Row], stage: str) -> dict[str, Any]:
        made: dict[str, Any] = {"accumulator": linear(rows, f"{stage}.projection")}
        made["sum"] = [
            residual(acc, row, leaves, f"{stage}.projection")
            for acc, row in zip(made["accumulator"], skip, strict=True)
        ]
        normal = [layernorm(r, leaves, f"{stage}.layernorm", residual_bits) for r in made["sum"]]
        return made | {name: [row[name] for row in normal] for name in normal[0]}

    wide = residual_bits == 16
    tensors: dict[str, Any] = {"hidden": hidden, "mask": mask}
    operand = hidden
    if wide:
        operand = tensors["hidden8"] = [scaled(row, leaves, "qkv.hidden", 8) for row in hidden]
    for name in ("query", "key", "value"):
        acc = tensors[f"{name}_accumulator"] = linear(operand, f"qkv.{name}")
        tensors[name] = [scaled(row, leaves, f"qkv.{name}.requantize", 8) for row in acc]
    tensors |= attend(leaves, heads, tensors["query"], tensors["key"], tensors["value"], mask)
    context = [scaled(row, leaves, "attention.context", 8) for row in tensors["context_mean"]]
    tensors["context"] = context
    added = add_norm(context, hidden, "attention")
    tensors |= {f"attention_{name}": made for name, made in added.items()}

    middle = operand = tensors["attention_output"]
    if wide:
        operand = [scaled(row, leaves, "intermediate.hidden", 8) for row in middle]
        tensors["attention_output8"] = operand
    acc = tensors["intermediate_accumulator"] = linear(operand, "intermediate.projection")
    before = [scaled(row, leaves, "intermediate.projection.requantize", 16) for row in acc]
    table, bits = leaves["intermediate.gelu_table"], leaves["intermediate.fraction_bits"]
    activated = [[gelu(x, table, bits) for x in row] for row in before]
    tensors["intermediate_preactivation"], tensors["intermediate_gelu"] = before, activated
    narrow = [scaled(row, leaves, "intermediate.activation", 8) for row in activated]
    tensors["intermediate"] = narrow
    added = add_norm(narrow, middle, "output")
    return tensors | {
        name if name == "output" else f"output_{name}": made for name, made in added.items()
    }


def layer(
    leaves: Leaves, heads: int, residual_bits: int, hidden: list[list[Row]], mask: list[Row]
) -> dict[str, Any]:
    """Every tensor of the layer for a batch; `leaves` are plain values by `flatten`'s names."""
    tables = {
        "attention.exponential_table": exponential_table(),
        "intermediate.gelu_table": gelu_table(leaves["intermediate.fraction_bits"]),
    }
    made = [
        sequence(tables | dict(leaves), heads, residual_bits, rows, real)
        for rows, real in zip(hidden, mask, strict=True)
    ]
    return {name: [tensors[name] for tensors in made] for name in made[0]}
