"""Broken copies of the operators: the small copy of the public vectors tells each from the real.

A mutant is a module's own source with one text replaced, run under another name.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from transfab.quant.ibert.vectors import Vectors

PACKAGE = "transfab.quant.ibert"
Agrees = Callable[[ModuleType, Vectors], bool]


def requantize(module: ModuleType, vectors: Vectors) -> bool:
    """Real accumulators, then ties and words that no real layer has, against fractions."""
    for name in ("self_attention/act_q", "intermediate/act", "output/act_layernorm"):
        factor = vectors.dyadic(name)
        mine = module.Dyadic(factor.multiplier, factor.shift)
        got = module.requantize(vectors.integers(f"{name}/input"), mine)
        if (got != vectors.integers(f"{name}/output")).any():
            return False
    values = [1, 3, 5, -1, -3, 2**40 + 1, -(2**62) + 12345, 2**63 - 1, 1 << 35, (1 << 35) + 1024]
    for multiplier, shift in ((1 << 30, 31), (-(2**31) + 1, 66), (5, 1), (1 << 30, 66), (3, 33)):
        if shift < 31:
            values = [value for value in values if abs(value) < 2**50]
        factor = module.Dyadic(np.array(multiplier), np.array(shift))
        wanted = [round(Fraction(value * multiplier, 2**shift)) for value in values]
        if module.scale(np.array(values), factor).tolist() != wanted:
            return False
    high = np.array([1000, -1000])
    clipped = module.requantize(high, module.Dyadic(np.array(1 << 30), np.array(30))).tolist()
    return clipped == [127, -128]


def residual(module: ModuleType, vectors: Vectors) -> bool:
    name = "self_output/act_linear"
    params = vectors.residual(name)
    skip = vectors.narrow(f"{name}/identity", 8)
    made = module.residual(params, vectors.narrow(f"{name}/input", 32), skip)
    if (made["output"] != vectors.integers(f"{name}/output")).any():
        return False
    loud = module.residual(params, np.full((1, skip.shape[1]), 2**30, np.int32), skip[:1])
    return bool((loud["output"] == 2**21 - 1).all())


def softmax(module: ModuleType, vectors: Vectors) -> bool:
    real = vectors.softmax()
    params = module.Softmax(real.b, real.c, real.x0, real.n, real.factor)
    scores = vectors.per_head("self_attention/softmax/soft_input")
    made = module.softmax(params, scores)
    exp = made["polynomial"] << (real.n - made["halvings"])
    float_exp = vectors.per_head("self_attention/softmax/input")
    wrong = made["output"] != vectors.per_head("self_attention/softmax/output")
    return bool(np.count_nonzero(wrong) == 2 and (np.abs(exp - float_exp) < exp / 2**23).all())


def masked(module: ModuleType, vectors: Vectors) -> bool:
    scores = vectors.per_head("self_attention/attention_matmul/output").astype(np.int32)
    wanted = vectors.per_head("self_attention/softmax/soft_input")
    return bool((module.mask_scores(scores, vectors.mask()) == wanted).all())


def gelu(module: ModuleType, vectors: Vectors) -> bool:
    real = vectors.gelu()
    params = module.Gelu(real.b, real.c, real.shift, real.const)
    got = module.gelu(params, vectors.narrow("intermediate/gelu/input", 32))["output"]
    return bool((got == vectors.integers("intermediate/gelu/output")).all())


def layernorm(module: ModuleType, vectors: Vectors) -> bool:
    for name in ("self_output/layernorm", "output/layernorm"):
        real = vectors.layernorm(name)
        params = module.LayerNorm(real.bias, real.shift)
        made = module.layernorm(params, vectors.narrow(f"{name}/input", 32))
        if (made["output"] != vectors.integers(f"{name}/output")).any():
            return False
    ties = np.array([[0, 1], [1, 2], [-1, 0], [3, 3]])
    return bool(module.rounded_mean(ties).ravel().tolist() == [0, 2, 0, 3])


def linear(module: ModuleType, vectors: Vectors) -> bool:
    name = "self_attention/linear_q"
    real = vectors.linear(name)
    got = module.linear(module.Linear(real.weight, real.bias), vectors.narrow(f"{name}/input", 8))
    heads = module.split_heads(vectors.integers("self_attention/act_v/output"), vectors.heads)
    operands = vectors.per_head("self_attention/softmax_matmul/input_v")
    return bool(
        (got == vectors.integers(f"{name}/output")).all()
        and heads.shape == operands.shape
        and (heads == operands).all()
    )


MUTANTS: list[tuple[Agrees, str, str, str]] = [
    (requantize, "requantize", "floor + (half & (", "floor + (half | ("),
    (requantize, "requantize", "| floor)), np.int64)", ")), np.int64)"),
    (requantize, "requantize", "_sticky(high, low, shift - 1) |", ""),
    (requantize, "requantize", "+ (low >> _WORD_BITS)", ""),
    (requantize, "requantize", "above = high & ((_ONE", "above = 0 & ((_ONE"),
    (
        requantize,
        "requantize",
        "np.clip(value, -(1 << (bits - 1)),",
        "np.clip(value, 1 - (1 << (bits - 1)),",
    ),
    (residual, "residual", "terms[0] + terms[1]", "terms[0] - terms[1]"),
    (residual, "residual", "RESIDUAL_BITS = 22", "RESIDUAL_BITS = 21"),
    (residual, "residual", "RESIDUAL_BITS = 22", "RESIDUAL_BITS = 23"),
    (softmax, "softmax", "(rest + params.b) * rest", "(rest - params.b) * rest"),
    (softmax, "softmax", "params.n * params.x0)\n", "0)\n"),
    (softmax, "softmax", "// total\n", "// total + 1\n"),
    (softmax, "softmax", "drop=params.n - halvings", "drop=params.n - halvings // 2"),
    (softmax, "softmax", "PROBABILITY_BITS = 8", "PROBABILITY_BITS = 7"),
    (masked, "softmax", "np.asarray(mask, bool)", "~np.asarray(mask, bool)"),
    (masked, "softmax", "MASKED = -(1 << 31)", "MASKED = -(1 << 30)"),
    (gelu, "gelu", "(erf >> params.const)", "np.trunc(erf / 2**params.const).astype(np.int64)"),
    (gelu, "gelu", "np.minimum(np.abs(wide), -params.b)", "np.abs(wide)"),
    (gelu, "gelu", "erf = sign * (", "erf = ("),
    (layernorm, "layernorm", "(2 * rest == size) & (floor & 1 == 1)", "2 * rest == size"),
    (layernorm, "layernorm", "(2 * rest > size) |", "False |"),
    (layernorm, "layernorm", "deviation >> params.shift", "deviation >> params.shift + 1"),
    (layernorm, "layernorm", "(deviation * factor) >> 1", "(deviation * factor + 1) >> 1"),
    (layernorm, "layernorm", "y_int + params.bias", "y_int"),
    (linear, "linear", "+ params.bias, np.int32)", ", np.int32)"),
    (linear, "linear", "heads, -1)", "-1, heads)"),
]


def load(name: str, old: str, new: str) -> ModuleType:
    """The module with one text replaced; with two empty texts, a copy of it."""
    origin = importlib.import_module(f"{PACKAGE}.{name}").__file__
    assert origin is not None
    text = Path(origin).read_text(encoding="utf-8")
    if old:
        assert text.count(old) == 1, f"{name} holds {old!r} {text.count(old)} times"
    module = ModuleType(f"mutated_ibert_{name}")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        exec(compile(text.replace(old, new) if old else text, origin, "exec"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    return module


@pytest.mark.parametrize(
    "mutant", MUTANTS, ids=lambda m: f"{m[1]}: {m[3].strip() or 'without ' + m[2]}"
)
def test_a_mutant_is_killed(reduced, mutant):
    agrees, name, old, new = mutant
    try:
        survived = agrees(load(name, old, new), reduced)
    except (ArithmeticError, IndexError, TypeError, ValueError):
        survived = False
    assert not survived


@pytest.mark.parametrize("agrees", dict.fromkeys(mutant[0] for mutant in MUTANTS))
def test_the_intact_source_agrees(reduced, agrees):
    name = next(mutant[1] for mutant in MUTANTS if mutant[0] is agrees)
    assert agrees(load(name, "", ""), reduced)
