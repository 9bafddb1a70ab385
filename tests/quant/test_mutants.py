"""The plain-integer oracle agrees with the layer on every bit, and with no mutant of it.

A mutant is the product's own source with one text replaced, imported under another name. The
text is matched in `ast.unparse`'s form, so that comments and line breaks do not matter.
"""

from __future__ import annotations

import ast
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np
import oracle
import pytest
from strategies import MODES, Case, Shape, random_case

PRODUCT, MUTATED = "transfab.quant", "mutated_quant"
Patch = tuple[str, str, str]  # module below the product, old text, new text

INT32 = {
    *(f"{name}_accumulator" for name in ("query", "key", "value", "context", "attention")),
    *("intermediate_accumulator", "output_accumulator", "scores", "scores_maximum"),
    *("exponential_sum", "context_reciprocal", "context_mean"),
    *(f"{stage}_{part}" for stage in ("attention", "output") for part in ("mean", "root")),
    *(
        f"{stage}_{part}"
        for stage in ("attention", "output")
        for part in ("reciprocal", "normalized")
    ),
}
INT16 = {"exponential", "exponential_index", "attention_sum", "output_sum"}
INT16 |= {"intermediate_preactivation", "intermediate_gelu"}
STREAM = {"hidden", "attention_output", "output"}


@functools.cache
def normal_source(module: str) -> tuple[str, bool]:
    """Text of a module of the product in `ast.unparse`'s form, and whether it is a package."""
    spec = importlib.util.find_spec(f"{PRODUCT}.{module}" if module else PRODUCT)
    assert spec is not None and spec.origin is not None
    text = ast.unparse(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
    return text, spec.submodule_search_locations is not None


def mutated_code(module: str, text: str) -> CodeType:
    return compile(text.replace(PRODUCT, MUTATED), f"<mutated {module}>", "exec")


@functools.cache
def intact_code(module: str) -> CodeType:
    return mutated_code(module, normal_source(module)[0])


class Mutator(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the product as `mutated_quant`, with patches applied."""

    def __init__(self, patches: tuple[Patch, ...]) -> None:
        self.texts: dict[str, str] = {}
        for module, old, new in patches:
            text = self.texts.get(module, normal_source(module)[0])
            assert text.count(old) == 1, f"{module} holds {old!r} {text.count(old)} times"
            self.texts[module] = text.replace(old, new)

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        top, _, module = fullname.partition(".")
        if top != MUTATED:
            return None
        is_package = normal_source(module)[1]
        return importlib.util.spec_from_loader(fullname, self, is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__.partition(".")[2]
        texts = self.texts
        code = mutated_code(name, texts[name]) if name in texts else intact_code(name)
        exec(code, module.__dict__)


@contextmanager
def mutated(patches: tuple[Patch, ...]) -> Iterator[str]:
    """The package name under which the patched product can be imported, inside the context."""
    finder = Mutator(patches)
    sys.meta_path.insert(0, finder)
    try:
        yield MUTATED
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] == MUTATED]:
            del sys.modules[name]


@functools.cache
def cases() -> tuple[Case, ...]:
    """Small layers that between them reach every branch of the arithmetic."""
    made = [
        random_case(seed, mode, Shape(residual_bits=bits))
        for seed, mode in enumerate(MODES, start=1)
        for bits in (8, 16)
    ]
    # Sums of squares above 34 bits, and a reciprocal of E that rounds up under far means.
    far = {f"{stage}__projection__offset": [28000 << 18] * 40 for stage in ("attention", "output")}
    for bits in (8, 16):
        wide = Shape(40, 4, 8, bits)
        made.append(random_case(11, "loud", wide, sequence=4, fraction_bits=12))
        made.append(random_case(12, "plain", wide, sequence=8, fraction_bits=8, **far))
    # Row sums of 20 bits and context sums above 2**24: near scores, many keys, one of them masked.
    near = {"attention__scores_multiplier": [900], "attention__scores_shift": 19}
    hole = [[int(position != 7) for position in range(48)]]
    for bits in (8, 16):
        narrow = Shape(4, 1, 4, bits)
        made.append(random_case(12, "plain", narrow, 1, 48, fraction_bits=6, mask=hole, **near))
    # Tables that nothing but an index, a mask or a range check can hide.
    tables = {
        "attention__exponential_table": [16383 - 3 * index for index in range(4096)],
        "intermediate__gelu_table": [700 + 5 * index for index in range(256)],
    }
    made.append(random_case(13, "plain", sequence=6, fraction_bits=12, **tables))
    made.append(random_case(14, "loud", sequence=1, fraction_bits=14))
    return tuple(made)


@functools.cache
def expected(index: int) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Name to dtype, shape and bytes of every tensor of a case, by the oracle."""
    case = cases()[index]
    bits = case.shape.residual_bits
    made = oracle.layer(case.leaves, case.shape.heads, bits, case.hidden, case.mask)
    tensors = {}
    for name, values in made.items():
        dtype = "int32" if name in INT32 else "int16" if name in INT16 else "int8"
        dtype = "uint8" if name == "mask" else "int64" if name.endswith("squares") else dtype
        array = np.array(values, f"int{bits}" if name in STREAM else dtype)
        tensors[name] = (str(array.dtype), array.shape, array.tobytes())
    return tensors


def differences(package: str, index: int) -> list[str]:
    """Names of the tensors of a case that differ from the oracle's in any way, in order."""
    got = {
        name: (str(array.dtype), array.shape, array.tobytes())
        for name, array in cases()[index].run(package).items()
    }
    wanted = expected(index)
    names = list(dict.fromkeys([*wanted, *got]))
    return [name for name in names if wanted.get(name) != got.get(name)]


def survives(*patches: Patch) -> bool:
    with mutated(patches) as package, np.errstate(all="ignore"):
        return not any(differences(package, index) for index in range(len(cases())))


@pytest.mark.parametrize("index", range(len(cases())), ids=[case.name for case in cases()])
def test_every_tensor_of_the_layer_is_the_oracles(index: int) -> None:
    assert differences(PRODUCT, index) == []


def test_the_cases_reach_every_branch_of_the_arithmetic() -> None:
    made = [(case, case.run()) for case in cases()]
    assert {case.shape.residual_bits for case, _ in made} == {8, 16}

    def seen(claim: Callable[[Case, dict[str, np.ndarray]], Any]) -> bool:
        return any(bool(claim(case, tensors)) for case, tensors in made)

    assert seen(lambda c, t: (t["mask"] == 0).any())
    assert seen(lambda c, t: t["hidden"].shape[1] == 1)
    assert seen(lambda c, t: t["exponential_sum"].max() >= 2**19)  # the pre-shift
    assert seen(lambda c, t: np.abs(t["context_accumulator"]).max() > 2**24)
    assert seen(lambda c, t: t["attention_squares"].max() >= 2**34)  # narrowed
    assert seen(lambda c, t: t["attention_squares"].min() < 2**18)  # widened past 25 fraction bits
    assert seen(lambda c, t: t["attention_root"].min() == 2**16)
    for name, limit in (("query", 127), ("output_sum", 32767), ("intermediate", 127)):
        assert seen(lambda c, t, name=name, limit=limit: t[name].max() == limit)
        assert seen(lambda c, t, name=name, limit=limit: t[name].min() == -limit)
    beyond = lambda c, t: (  # noqa: E731
        np.abs(t["intermediate_preactivation"].astype(int)).max()
        >= 4 << c.leaves["intermediate.fraction_bits"]
    )
    assert seen(beyond)


def test_the_product_under_another_name_survives() -> None:
    assert survives()


def test_a_patch_whose_text_is_gone_is_an_error() -> None:
    with pytest.raises(AssertionError, match="0 times"):
        survives(("intmath", "no such text", ""))


MUTANTS: dict[str, tuple[Patch, ...]] = {
    # round_shift, saturate, requantize
    "shift-truncates": (("intmath", "value + half >> shift", "value >> shift"),),
    "shift-rounds-half-down": (
        ("intmath", "value + half >> shift", "value + half - (shift > 0) >> shift"),
    ),
    "shift-rounds-half-even": (
        (
            "intmath",
            "value + half >> shift",
            "value + half - (shift > 0) * (1 - (value >> shift & 1)) >> shift",
        ),
    ),
    "saturate-wraps": (("intmath", "np.clip(value, -limit(bits), limit(bits))", "value"),),
    "saturate-at-minus-128": (("intmath", "value, -limit(bits),", "value, -limit(bits) - 1,"),),
    "saturate-at-minus-129-then-casts": (
        ("intmath", "value, -limit(bits),", "value, -limit(bits) - 2,"),
    ),
    "saturate-at-126": (("intmath", ", limit(bits))", ", limit(bits) - 1)"),),
    "requantize-drops-the-offset": (
        ("intmath", "* scale.multiplier + scale.offset", "* scale.multiplier"),
    ),
    "requantize-by-one-multiplier": (
        ("intmath", "* scale.multiplier + scale", "* scale.multiplier[0] + scale"),
    ),
    # the helpers of a row
    "bit-length-one-short": (
        ("intmath", "np.frexp(value.astype(np.float64))", "np.frexp(value.astype(np.float64) / 2)"),
    ),
    "square-root-rounds-up": (("intmath", "np.floor(np.sqrt", "np.ceil(np.sqrt"),),
    "square-root-rounds-to-nearest": (("intmath", "np.floor(np.sqrt", "np.rint(np.sqrt"),),
    "reciprocal-of-the-whole-power": (("intmath", ") - 1) // value", ")) // value"),),
    "matmul-in-float32": (
        (
            "intmath",
            "left.astype(np.float64) @ right.astype(np.float64)",
            "left.astype(np.float32) @ right.astype(np.float32)",
        ),
    ),
    # tables
    "exponential-table-ends-in-1": (("intmath", "[*table[:-1], 0]", "[*table[:-1], 1]"),),
    "exponential-table-truncates": (("intmath", "(-index * step) + 0.5", "(-index * step)"),),
    "exponential-table-ends-early": (("intmath", "math.log(2 * (", "math.log(1 * ("),),
    "gelu-table-at-the-left-edge": (("intmath", "(index + 0.5) * step", "index * step"),),
    "gelu-table-truncates": (
        ("intmath", "(v * (1 << fraction_bits) + 0.5)", "(v * (1 << fraction_bits))"),
    ),
    "gelu-table-of-another-format": (
        ("intmath", "v * (1 << fraction_bits)", "v * (1 << fraction_bits - 1)"),
    ),
    # softmax
    "maximum-over-masked-keys": (
        ("bert.softmax", "np.where(allowed, scores, lowest).max", "scores.max"),
    ),
    "mask-ignored": (("bert.softmax", ".astype(bool)", ".astype(bool) | True"),),
    "mask-not-applied-to-the-exponential": (
        ("bert.softmax", "np.where(allowed, table[index], np.int16(0))", "table[index]"),
    ),
    "mask-not-applied-to-the-index": (
        ("bert.softmax", "np.where(allowed, np.minimum(", "np.where(True, np.minimum("),
    ),
    "mask-of-queries-for-keys": (
        ("bert.softmax", "mask[:, None, None, :]", "mask[:, None, :, None]"),
    ),
    "index-not-rounded": (
        ("bert.softmax", "index = round_shift(", "index = (lambda v, s: v >> s)("),
    ),
    "index-wraps": (
        (
            "bert.softmax",
            "np.minimum(index, EXPONENTIAL_ENTRIES - 1)",
            "index % EXPONENTIAL_ENTRIES",
        ),
    ),
    "index-ignores-its-heads-multiplier": (
        ("bert.softmax", "multiplier[:, None, None]", "multiplier[0]"),
    ),
    "index-without-the-scale-of-the-scores": (
        ("bert.softmax", "distance * multiplier[:, None, None]", "distance * multiplier.max()"),
    ),
    "index-of-double-the-score": (
        ("bert.softmax", "round_shift(distance *", "round_shift(2 * distance *"),
    ),
    "row-reciprocal-of-one-bit-less": (
        ("bert.softmax", "reciprocal(16 + bits", "reciprocal(15 + bits"),
    ),
    "pre-shift-one-early": (("bert.softmax", "PRE_SHIFT_FROM = 19", "PRE_SHIFT_FROM = 18"),),
    "pre-shift-one-off": (
        ("bert.softmax", "bits - PRE_SHIFT_FROM, 0", "bits - PRE_SHIFT_FROM + 1, 0"),
    ),
    "pre-shift-truncates": (
        ("bert.softmax", "narrow = round_shift(", "narrow = (lambda v, s: v >> s)("),
    ),
    "context-not-rounded": (
        ("bert.softmax", "mean = round_shift(", "mean = (lambda v, s: v >> s)("),
    ),
    # layernorm
    "mean-floors": (("bert.layernorm", "mean = round_shift(", "mean = (lambda v, s: v >> s)("),),
    "mean-of-the-exact-quotient": (
        (
            "bert.layernorm",
            "round_shift(rows.sum(axis=-1) * config.mean_multiplier, config.mean_shift)",
            "rows.sum(axis=-1) // config.hidden",
        ),
    ),
    "mean-not-subtracted": (("bert.layernorm", "rows - mean[..., None]", "rows"),),
    "epsilon-dropped": (("bert.layernorm", " + params.epsilon", ""),),
    "squares-in-int16": (
        ("bert.layernorm", "(deviation * deviation)", "(deviation * deviation).astype(np.int16)"),
    ),
    "normalise-shift-odd": (
        ("bert.layernorm", "np.maximum(2 * half_shift, 0)", "np.maximum(2 * half_shift - 1, 0)"),
    ),
    "normalise-shift-rounds-up": (
        ("bert.layernorm", "bit_length(squares) >> 1", "bit_length(squares) + 1 >> 1"),
    ),
    "large-squares-not-narrowed": (
        ("bert.layernorm", "squares >> np.maximum(-2 * half_shift, 0)", "squares"),
    ),
    "small-squares-not-widened": (
        ("bert.layernorm", "squares << np.maximum(2 * half_shift, 0)", "squares"),
    ),
    "layernorm-reciprocal-of-one-bit-less": (
        ("bert.layernorm", "reciprocal(33, root)", "reciprocal(32, root)"),
    ),
    "normalized-truncates": (
        ("bert.layernorm", "round_shift(product, np", "(lambda v, s: v >> s)(product, np"),
    ),
    "normalized-not-widened": (
        ("bert.layernorm", "product << np.maximum(-drop, 0)[..., None]", "product"),
    ),
    "layernorm-drops-the-offset": (("bert.layernorm", " + params.offset, ", ", "),),
    "layernorm-drops-the-gain": (("bert.layernorm", "normalized * params.gain", "normalized"),),
    "layernorm-always-16-bits": (("bert.layernorm", "config.residual_bits)", "16)"),),
    "mean-multiplier-truncates": (("config", "// self.hidden + 1 >> 1", "// self.hidden >> 1"),),
    # residual
    "residual-added-twice": (
        ("bert.residual", "* params.skip_multiplier <<", "* params.skip_multiplier * 2 <<"),
    ),
    "residual-dropped": (("bert.residual", "(skip.astype(", "(0 * skip.astype("),),
    "residual-skip-shift-dropped": (("bert.residual", " << params.skip_shift", ""),),
    "residual-drops-the-offset": (("bert.residual", " + params.offset", ""),),
    "residual-in-int8": (("bert.residual", "params.shift), 16)", "params.shift), 8)"),),
    "residual-rounded-twice": (
        (
            "bert.residual",
            "round_shift(product, params",
            "round_shift(product + (1 << params.shift - 1), params",
        ),
    ),
    "residual-skip-by-the-wrong-multiplier": (
        ("bert.residual", "* params.skip_multiplier <<", "* params.multiplier <<"),
    ),
    # gelu
    "gelu-index-off-by-one": (("bert.gelu", "np.minimum(index,", "np.minimum(index + 1,"),),
    "gelu-adds-the-table": (
        ("bert.gelu", "(preactivation, 0) - short", "(preactivation, 0) + short"),
    ),
    "gelu-is-a-rectifier": (("bert.gelu", "(preactivation, 0) - short", "(preactivation, 0)"),),
    "gelu-keeps-the-last-entry": (
        ("bert.gelu", "np.where(index < GELU_ENTRIES", "np.where(index > -1"),
    ),
    "gelu-table-for-positives-only": (
        (
            "bert.gelu",
            "np.where(index < GELU_ENTRIES",
            "np.where((index < 256) & (preactivation > 0)",
        ),
    ),
    # stage 1
    "hidden8-is-a-cast": (("bert.qkv", "requantize(hidden, scale, 8)", "hidden.astype('int8')"),),
    "hidden8-is-a-shift": (
        ("bert.qkv", "requantize(hidden, scale, 8)", "(hidden >> 8).astype('int8')"),
    ),
    "qkv-drops-the-bias": (("bert.qkv", " + linear.bias", ""),),
    "qkv-weight-transposed": (("bert.qkv", "linear.weight.T", "linear.weight"),),
    "qkv-is-a-cast": (("bert.qkv", "requantize(acc, linear.requantize, 8)", "acc.astype('int8')"),),
    "key-by-the-query-weights": (
        ("bert.qkv", "getattr(params, name)", "getattr(params, name.replace('key', 'query'))"),
    ),
    # stage 2
    "key-and-query-swapped": (
        (
            "bert.attention",
            "matmul(split_heads(config, query), split_heads(config, key)",
            "matmul(split_heads(config, key), split_heads(config, query)",
        ),
    ),
    "value-taken-from-key": (
        ("bert.attention", "split_heads(config, value)", "split_heads(config, key)"),
    ),
    "heads-interleaved-when-split": (
        (
            "bert.attention",
            "config.heads, config.head_size).transpose(0, 2, 1, 3)",
            "config.head_size, config.heads).transpose(0, 3, 1, 2)",
        ),
    ),
    "heads-merged-in-the-wrong-order": (
        ("bert.attention", "(0, 2, 1, 3).reshape(batch,", "(0, 2, 3, 1).reshape(batch,"),
    ),
    "heads-not-moved-back": (
        ("bert.attention", "tensor.transpose(0, 2, 1, 3).reshape(batch,", "tensor.reshape(batch,"),
    ),
    "attention-drops-the-bias": (("bert.attention", " + params.projection.bias", ""),),
    "attention-weight-transposed": (
        ("bert.attention", "params.projection.weight.T", "params.projection.weight"),
    ),
    "attention-skips-from-the-context": (
        (
            "bert.attention",
            "residual(params.projection, acc, hidden)",
            "residual(params.projection, acc, tensors['context'])",
        ),
    ),
    "context-not-divided": (
        (
            "bert.attention",
            "requantize(tensors['context_mean']",
            "requantize(tensors['context_accumulator']",
        ),
    ),
    # stage 3
    "intermediate-drops-the-bias": (("bert.intermediate", " + params.projection.bias", ""),),
    "intermediate-operand-is-a-cast": (
        (
            "bert.intermediate",
            "narrow(attention_output, params.hidden)",
            "attention_output.astype('int8')",
        ),
    ),
    "preactivation-in-8-bits": (
        (
            "bert.intermediate",
            "params.projection.requantize, 16)",
            "params.projection.requantize, 8)",
        ),
    ),
    "activation-before-gelu": (
        ("bert.intermediate", "requantize(activated,", "requantize(preactivation,"),
    ),
    # stage 4 and the cascade
    "output-drops-the-bias": (("bert.output", " + params.projection.bias", ""),),
    "output-skips-from-its-own-sum": (
        (
            "bert.output",
            "residual(params.projection, acc, attention_output)",
            "residual(params.projection, acc, acc.clip(-127, 127))",
        ),
    ),
    "output-skip-from-the-int8-operand": (
        (
            "bert.layer",
            "(tensors[name] for name in stage.inputs)",
            "(tensors.get(name + '8', tensors[name]) "
            "if stage.name == 'output' else tensors[name] for name in stage.inputs)",
        ),
    ),
    "attention-skip-from-the-int8-operand": (
        (
            "bert.layer",
            "(tensors[name] for name in stage.inputs)",
            "(tensors.get(name + '8', tensors[name]) "
            "if stage.name == 'attention' else tensors[name] for name in stage.inputs)",
        ),
    ),
    "output-skip-from-the-layers-input": (
        (
            "bert.layer",
            "(tensors[name] for name in stage.inputs)",
            "(tensors['hidden' if (stage.name, name) == ('output', 'attention_output') else name] "
            "for name in stage.inputs)",
        ),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_is_killed(name: str) -> None:
    assert not survives(*MUTANTS[name]), f"{name} computes the same bits on every case"


# A check that cannot fail is a defect: each refuses one constant, and nothing else does.


def with_leaf(name: str, change: Callable[[Any], Any], bits: int = 16) -> Callable[[str], object]:
    """Build and check the parameters of a plain layer, one leaf of it changed."""

    def probe(package: str) -> object:
        case = random_case(1, "plain", Shape(residual_bits=bits))
        case.leaves[name] = change(case.leaves[name])
        params = case.parameters(package)
        layer = importlib.import_module(f"{package}.bert.layer")
        return layer.check_shapes(case.config(package), params)

    return probe


def first(value: int) -> Callable[[list[int]], list[int]]:
    return lambda values: [value, *values[1:]]


def masked_altogether(package: str) -> object:
    case = random_case(1, mask=[[1] * 5, [0] * 5])
    shapes = importlib.import_module(f"{package}.bert.shapes")
    tensors = dict(zip(("hidden", "mask"), case.arrays(), strict=True))
    return shapes.check_inputs(case.config(package), tensors)


def far_offset(package: str) -> object:
    """A layernorm whose gain, offset and half need one more than 48 bits."""
    norm = importlib.import_module(f"{package}.bert.layernorm").LayerNorm
    gain = 2**17 - 1
    offset = 2**47 - 2**46 - gain * (2**25 + 2**10)
    return norm(np.array([gain], np.int32), np.array([offset]), 47, 1)


def longest_sum(package: str) -> object:
    intmath = importlib.import_module(f"{package}.intmath")
    weight, bias = np.full((1, 4096), 127, np.int8), [2**26 - 128 * 127 * 4096]
    return intmath.check_accumulator("name", weight, np.array(bias, np.int32))


def longest_product(package: str) -> object:
    intmath = importlib.import_module(f"{package}.intmath")
    one = np.ones(1, np.int32)
    scale = intmath.Requantize(one, np.array([2**47 - 2**20 - 1]), 21)
    return intmath.check_product("name", 1, scale)


def far_shift(package: str) -> object:
    intmath = importlib.import_module(f"{package}.intmath")
    return intmath.check_requantize(np.ones(1, np.int32), np.zeros(1, np.int64), 48)


BROKEN_CHECKS: dict[str, tuple[Callable[[str], object], Patch]] = {
    "accumulator": (longest_sum, ("intmath", ">= 1 << ACCUMULATOR", "> 1 << ACCUMULATOR")),
    "accumulator-without-bias": (
        longest_sum,
        ("intmath", "128 * weights + np.abs(", "128 * weights + 0 * np.abs("),
    ),
    "product-without-half": (
        longest_product,
        ("intmath", "worst + (np.int64(1) <<", "worst + (np.int64(0) <<"),
    ),
    "product-without-offset": (longest_product, ("intmath", " + np.abs(scale.offset)", "")),
    "width": (
        with_leaf("attention.context.multiplier", first(2**17)),
        ("intmath", "< 1 << bits - 1)", "<= 1 << bits - 1)"),
    ),
    "shift": (
        far_shift,
        ("intmath", "shift <= PRODUCT_BITS - 1", "shift <= PRODUCT_BITS"),
    ),
    "negative-multiplier": (
        with_leaf("qkv.key.requantize.multiplier", first(-1)),
        ("intmath", "int(self.multiplier.min()) < 0", "int(self.multiplier.min()) < -1"),
    ),
    "weight-of-minus-128": (
        with_leaf("qkv.key.weight", lambda rows: [[-128] * 8, *rows[1:]]),
        ("parameters", "< -127", "< -128"),
    ),
    "skip-shift": (
        with_leaf("output.projection.skip_shift", lambda _: 19, bits=8),
        ("bert.residual", "SKIP_SHIFT_LIMIT = 18", "SKIP_SHIFT_LIMIT = 19"),
    ),
    "residual-offset": (
        with_leaf("output.projection.offset", first(2**47 - 1)),
        ("bert.residual", " + np.abs(self.offset)", ""),
    ),
    "layernorm-offset": (
        with_leaf("output.layernorm.offset", first(2**46)),
        ("bert.layernorm", "OFFSET_BITS = 47", "OFFSET_BITS = 48"),
    ),
    "layernorm-product": (
        far_offset,
        ("bert.layernorm", "product + np.abs(", "0 * product + np.abs("),
    ),
    "layernorm-epsilon": (
        with_leaf("output.layernorm.epsilon", lambda _: 0),
        ("bert.layernorm", "1 <= self.epsilon", "0 <= self.epsilon"),
    ),
    "fraction-bits": (
        with_leaf("intermediate.fraction_bits", lambda _: 15),
        ("bert.intermediate", "self.fraction_bits <= 14", "self.fraction_bits <= 15"),
    ),
    "unmasked-token": (
        masked_altogether,
        ("bert.shapes", "not (real := tensor.any(axis=1)).all()", "False"),
    ),
}


@pytest.mark.parametrize("name", BROKEN_CHECKS)
def test_the_check_alone_refuses_its_constant(name: str) -> None:
    probe, patch = BROKEN_CHECKS[name]
    with pytest.raises(ValueError):
        probe(PRODUCT)
    with mutated((patch,)) as package:
        probe(package)
