"""The C++ layer equals the numpy layer in every byte: shapes, masks, extremes, threads, mutants."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from transfab.quant.bert.attention import AttentionParameters
from transfab.quant.bert.intermediate import IntermediateParameters
from transfab.quant.bert.layer import STAGES, LayerParameters, Tensors, run_layer, run_stage
from transfab.quant.bert.layernorm import LayerNorm
from transfab.quant.bert.output import OutputParameters
from transfab.quant.bert.qkv import QkvParameters
from transfab.quant.bert.residual import ResidualLinear
from transfab.quant.config import LayerConfig
from transfab.quant.intmath import Array, Int64Array, Requantize, exponential_table, gelu_table
from transfab.quant.native import Level, NativeLayer, available, declare
from transfab.quant.native.build import SOURCES, build, missing_compiler
from transfab.quant.parameters import Linear

USABLE, REASON = available()
REAL = build()
if not USABLE and os.environ.get("CI") == "true":
    raise RuntimeError(f"CI must have a compiler: {REASON}")
pytestmark = pytest.mark.skipif(not USABLE, reason=f"native layer: {REASON}")

TOP = (1 << 17) - 1  # largest multiplier


class Maker:
    """Valid parameters from a seed.

    weights      "uniform", "normal" (few neighbours exceed a byte product) or "largest" (+-127)
    saturating   largest multipliers and smallest shifts: nearly every output is clipped
    """

    def __init__(
        self, config: LayerConfig, seed: int = 0, weights: str = "uniform", saturating: bool = False
    ) -> None:
        self.config, self.weights, self.saturating = config, weights, saturating
        self.rng = np.random.default_rng(seed)

    def weight(self, channels: int, depth: int) -> tuple[Array, Array]:
        bias = self.rng.integers(-9999, 10000, channels).astype(np.int32)
        match self.weights:
            case "uniform":
                weight = self.rng.integers(-127, 128, (channels, depth))
            case "normal":
                weight = np.clip(np.rint(self.rng.normal(0, 38, (channels, depth))), -127, 127)
            case _:
                signs = self.rng.integers(0, 2, (channels, 1)) * 2 - 1
                weight = np.broadcast_to(127 * signs, (channels, depth))
                bias = np.where(bias < 0, -524287, 524287).astype(np.int32)
        return weight.astype(np.int8), bias

    def requantize(self, channels: int, reach: float, bits: int) -> Requantize:
        """Constants that bring values of about `reach` to about the whole range of `bits`."""
        if self.saturating:
            multiplier = np.full(channels, TOP, np.int32)
            return Requantize(multiplier, np.zeros(channels, np.int64), 1)
        shift = int(np.clip(np.log2(reach) + 17 - bits, 1, 40))
        multiplier = self.rng.integers(0, TOP + 1, channels).astype(np.int32)
        return Requantize(multiplier, self.offset(channels, shift + bits - 3), shift)

    def offset(self, channels: int, bits: int) -> Int64Array:
        return self.rng.integers(-(1 << bits), 1 << bits, channels)

    def linear(self, channels: int, depth: int, bits: int) -> Linear:
        return Linear(*self.weight(channels, depth), self.requantize(channels, _reach(depth), bits))

    def residual(self, depth: int) -> ResidualLinear:
        size, narrow = self.config.hidden, self.config.residual_bits == 8
        scale = self.requantize(size, _reach(depth), 16)
        skip = self.rng.integers(0, TOP + 1, size).astype(np.int32)
        widen = max(0, scale.shift - 17) + 8 * narrow
        return ResidualLinear(
            *self.weight(size, depth), scale.multiplier, skip, scale.offset, scale.shift, widen
        )

    def layernorm(self) -> LayerNorm:
        gain = self.rng.integers(-(1 << 17), 1 << 17, self.config.hidden).astype(np.int32)
        if self.saturating:
            return LayerNorm(gain, np.zeros(gain.shape, np.int64), 1, (1 << 40) - 1)
        bits = self.config.residual_bits
        shift = int(42 - np.log2(self.config.hidden) / 2 - bits)
        offset = self.offset(self.config.hidden, shift + bits - 4)
        return LayerNorm(gain, offset, shift, int(self.rng.integers(1, 1 << 20)))

    def layer(self) -> LayerParameters:
        size, inner, heads = self.config.hidden, self.config.feed_forward, self.config.heads
        wide = self.config.residual_bits == 16
        scores = self.rng.integers(0, TOP + 1, heads).astype(np.int32)
        scores[::3] >>= 9  # such heads attend to nearly all keys alike: sums of many bits
        table = exponential_table()
        table[-1] = 77  # masked keys count as 0 whatever the table ends with
        return LayerParameters(
            QkvParameters(
                self.requantize(size, 1 << 15, 8) if wide else None,
                *(self.linear(size, size, 8) for _ in range(3)),
            ),
            AttentionParameters(
                scores,
                1 if self.saturating else int(18 + np.log2(self.config.head_size) / 2),
                table,
                self.requantize(size, 1 << 21, 8),
                self.residual(size),
                self.layernorm(),
            ),
            IntermediateParameters(
                self.requantize(size, 1 << 15, 8) if wide else None,
                self.linear(inner, size, 16),
                12,
                gelu_table(12),
                self.requantize(inner, 1 << 15, 8),
            ),
            OutputParameters(self.residual(inner), self.layernorm()),
        )

    def activations(self, batch: int, sequence: int, masked: str = "none") -> tuple[Array, Array]:
        bits = self.config.residual_bits
        hidden = self.rng.integers(
            1 - (1 << (bits - 1)), 1 << (bits - 1), (batch, sequence, self.config.hidden)
        ).astype(f"int{bits}")
        mask = np.ones((batch, sequence), np.uint8)
        kept = self.rng.integers(1, sequence + 1, batch)
        for row, count in zip(mask, kept, strict=True):
            match masked:
                case "right":
                    row[count:] = 0
                case "left":
                    row[: sequence - count] = 0
                case "holes":
                    row[self.rng.permutation(sequence)[count:]] = 0
        return hidden, mask


def _reach(depth: int) -> float:
    return 73.0 * 73.0 * float(np.sqrt(depth)) * 2


def differences(made: Tensors, reference: Tensors) -> list[str]:
    """Names of the tensors whose dtype, shape or bytes differ."""
    return [
        name
        for name, tensor in made.items()
        if tensor.dtype != reference[name].dtype
        or tensor.shape != reference[name].shape
        or tensor.tobytes() != reference[name].tobytes()
    ]


def assert_same(layer: NativeLayer, params: LayerParameters, hidden: Array, mask: Array) -> Tensors:
    """Check both levels on 1 and 2 threads; returns the reference."""
    reference = run_layer(layer.config, params, hidden, mask)
    for threads in (1, 2):
        made = layer.run(hidden, mask, "op", threads)
        assert list(made) == list(reference)
        assert differences(made, reference) == []
        short = layer.run(hidden, mask, "stage", threads)
        outputs = [name for stage in STAGES for name in stage.outputs]
        assert list(short) == ["hidden", "mask", *outputs]
        assert differences(short, reference) == []
    return reference


SHAPES = {
    "one tile": (16, 2, 16, 4, 1),
    "ragged": (24, 3, 40, 7, 1),
    "one token": (48, 4, 80, 1, 1),
    "heads of one channel": (6, 6, 5, 9, 1),
    "one channel": (1, 1, 1, 3, 2),
    "several row blocks": (40, 2, 72, 130, 1),
    "longest, widest head": (128, 1, 96, 512, 1),
    "widest": (1024, 16, 4096, 5, 1),
    "batch": (36, 3, 50, 33, 3),
}


@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("shape", SHAPES)
def test_native_equals_numpy(shape: str, bits: int) -> None:
    size, heads, inner, sequence, batch = SHAPES[shape]
    config = LayerConfig(size, heads, inner, residual_bits=bits)
    maker = Maker(config)
    params = maker.layer()
    reference = assert_same(
        NativeLayer(config, params), params, *maker.activations(batch, sequence)
    )
    if size * sequence > 300:
        for name in ("query", "context", "attention_sum", "intermediate", "output"):
            assert len(np.unique(reference[name])) > 32, f"{name} says too little"


@pytest.mark.parametrize("masked", ["right", "left", "holes"])
@pytest.mark.parametrize("bits", [16, 8])
def test_masks_of_every_kind(masked: str, bits: int) -> None:
    config = LayerConfig(24, 3, 40, residual_bits=bits)
    maker = Maker(config, 1)
    params = maker.layer()
    assert_same(NativeLayer(config, params), params, *maker.activations(3, 70, masked))


@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("weights", ["uniform", "normal", "largest"])
@pytest.mark.parametrize("saturating", [False, True])
def test_weights_and_multipliers_at_their_ends(bits: int, weights: str, saturating: bool) -> None:
    config = LayerConfig(72, 3, 200, residual_bits=bits)
    maker = Maker(config, 2, weights, saturating)
    params = maker.layer()
    assert_same(NativeLayer(config, params), params, *maker.activations(2, 19, "holes"))


def test_a_constant_row_has_squares_of_epsilon_alone() -> None:
    config = LayerConfig(24, 3, 40)
    maker = Maker(config, 3)
    params = maker.layer()
    zero = np.zeros(24, np.int32)
    flat = replace(
        params.attention.projection,
        multiplier=zero,
        skip_multiplier=zero,
        offset=np.full(24, -1234567, np.int64),
    )
    params = replace(params, attention=replace(params.attention, projection=flat))
    reference = assert_same(NativeLayer(config, params), params, *maker.activations(2, 9))
    assert (reference["attention_squares"] == params.attention.layernorm.epsilon).all()


@pytest.mark.parametrize("sign", [-127, 127])
def test_the_largest_sums_fit(sign: int) -> None:
    config = LayerConfig(128, 1, 4096)
    maker = Maker(config, 4, "largest")
    params = maker.layer()
    layer = NativeLayer(config, params)
    hidden, mask = maker.activations(1, 512)
    row = np.full((1, 512, 128), sign, np.int8)
    attention = {"query": row, "key": row, "value": row, "hidden": hidden, "mask": mask}
    output = {
        "intermediate": np.full((1, 512, 4096), sign, np.int8),
        "attention_output": hidden,
    }
    for name, tensors in {"attention": attention, "output": output}.items():
        stage = next(stage for stage in STAGES if stage.name == name)
        reference = run_stage(config, stage, getattr(params, name), tensors)
        assert differences(layer.run_stage(name, tensors, "op"), reference) == []
        if name == "attention":
            assert abs(int(reference["context_accumulator"][0, 0, 0])) == 512 * 16383 * abs(sign)
        else:
            largest = np.abs(reference["output_accumulator"].astype(np.int64)).max()
            assert largest == 4096 * 127 * abs(sign) + 524287


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("level", ["stage", "op"])
def test_a_single_stage_from_its_own_inputs(stage: str, bits: int, level: Level) -> None:
    config = LayerConfig(24, 3, 40, residual_bits=bits)
    maker = Maker(config, 5)
    params = maker.layer()
    tensors = run_layer(config, params, *maker.activations(2, 70, "holes"))
    table = next(entry for entry in STAGES if entry.name == stage)
    reference = run_stage(config, table, getattr(params, stage), tensors)
    made = NativeLayer(config, params).run_stage(stage, tensors, level, 2)
    assert list(made) == (list(reference) if level == "op" else list(table.outputs))
    assert differences(made, reference) == []


@pytest.mark.parametrize("threads", [1, 2, 3, 7, 200])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    config = LayerConfig(40, 5, 72)
    maker = Maker(config, 6)
    params = maker.layer()
    hidden, mask = maker.activations(2, 61, "holes")
    made = NativeLayer(config, params).run(hidden, mask, "op", threads)
    assert differences(made, run_layer(config, params, hidden, mask)) == []


def test_one_layer_serves_several_callers_at_once() -> None:
    config = LayerConfig(40, 5, 72)
    maker = Maker(config, 7)
    params = maker.layer()
    layer = NativeLayer(config, params)
    inputs = [maker.activations(1, 3 + 11 * i) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda pair: layer.run(*pair, "op", 2), inputs))
    for tensors, (hidden, mask) in zip(made, inputs, strict=True):
        assert differences(tensors, run_layer(config, params, hidden, mask)) == []


def test_inputs_need_not_be_contiguous() -> None:
    config = LayerConfig(24, 3, 40)
    maker = Maker(config, 8)
    params = maker.layer()
    hidden, mask = maker.activations(2, 18, "holes")
    assert_same(NativeLayer(config, params), params, hidden[:, ::2], np.asfortranarray(mask[:, :9]))


def test_inputs_that_do_not_fit_are_refused() -> None:
    config = LayerConfig(24, 3, 40, sequence=16)
    maker = Maker(config, 9)
    layer = NativeLayer(config, maker.layer())
    hidden, mask = maker.activations(1, 8)
    whole = layer.run(hidden, mask)
    with pytest.raises(ValueError, match="hidden must be"):
        layer.run(hidden.astype(np.int8), mask)
    with pytest.raises(ValueError, match="no unmasked token"):
        layer.run(hidden, np.zeros_like(mask))
    with pytest.raises(ValueError, match="threads must be at least 1, not 0"):
        layer.run(hidden, mask, threads=0)
    with pytest.raises(ValueError, match="level must be stage or op"):
        layer.run(hidden, mask, "all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"stage must be one of qkv, .* not gelu"):
        layer.run_stage("gelu", whole)
    with pytest.raises(ValueError, match=r"key must be \(1, 8, 24\) int8"):
        layer.run_stage("attention", {**whole, "key": whole["key"][:, 1:]})
    with pytest.raises(ValueError, match="no unmasked token"):
        layer.run_stage("attention", {**whole, "mask": np.zeros_like(mask)})
    with pytest.raises(ValueError, match=r"sequence length must be in \[1, 16\]"):
        layer.run_stage("qkv", {"hidden": np.zeros((1, 17, 24), np.int16)})


# --- builds -----------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "transfab"


def declared(sources: Path = SOURCES, *flags: str) -> ctypes.CDLL:
    library = build(sources, flags)
    assert library is not None
    return declare(library)


def fake_compiler(folder: Path, before: str = "") -> str:
    """A compiler that runs the shell text `before` and then hands out a library made earlier."""
    assert REAL is not None
    script = folder / "compiler"
    script.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo fake; exit; fi\n'
        'all="$*"; while [ "$1" != -o ]; do shift; done; out=$2\n'
        f'{before}\ncp "{REAL._name}" "$out"\n'
    )
    script.chmod(0o755)
    return str(script)


FIRST_USE = "from transfab.quant.native import available; print(available()[0])"


def first_use(cache: Path, compiler: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "CXX": compiler, "XDG_CACHE_HOME": str(cache.parent)}
    return subprocess.Popen(
        [sys.executable, "-c", FIRST_USE],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_the_portable_kernels_equal_numpy(cache: Path) -> None:
    config = LayerConfig(24, 3, 40)
    for maker in (Maker(config, 10), Maker(config, 10, "largest", saturating=True)):
        params = maker.layer()
        layer = NativeLayer(config, params, declared(SOURCES, "-DTRANSFAB_PORTABLE"))
        assert_same(layer, params, *maker.activations(2, 7, "holes"))


def test_the_sources_compile_without_a_warning(cache: Path) -> None:
    declared(SOURCES, "-Werror")


def test_concurrent_first_uses_build_one_library(cache: Path, tmp_path: Path) -> None:
    compiler = fake_compiler(tmp_path, "sleep 0.5")
    for process in [first_use(cache, compiler) for _ in range(4)]:
        out, err = process.communicate(timeout=60)
        assert (out, err, process.returncode) == ("True\n", "", 0)
    assert [path.suffix for path in cache.iterdir()] == [".so"]


def test_an_interrupted_build_is_built_again(cache: Path, tmp_path: Path) -> None:
    process = first_use(cache, fake_compiler(tmp_path, 'echo part >"$out"; sleep 60'))
    while not (cache.exists() and any(path.stat().st_size for path in cache.iterdir())):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list(cache.glob("*.so"))
    out, err = first_use(cache, fake_compiler(tmp_path)).communicate(timeout=60)
    assert (out, err) == ("True\n", "")


def test_a_damaged_library_is_built_again(cache: Path, tmp_path: Path) -> None:
    compiler = fake_compiler(tmp_path)
    first_use(cache, compiler).communicate(timeout=60)
    (library,) = cache.iterdir()
    library.write_bytes(library.read_bytes()[:1000])
    out, err = first_use(cache, compiler).communicate(timeout=60)
    assert (out, err) == ("True\n", "")


def test_a_compiler_that_does_not_know_this_processor_is_asked_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse = 'case "$all" in *-march=native*) echo "bad value for -march=native" >&2; exit 1; esac'
    monkeypatch.setenv("CXX", fake_compiler(tmp_path, refuse))
    declared()


def test_a_missing_compiler_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -pipe")
    assert build() is None
    assert "no-such-compiler" in missing_compiler()
    assert not cache.exists()


def test_a_failed_build_shows_the_whole_output(cache: Path, tmp_path: Path) -> None:
    sources = shutil.copytree(SOURCES, tmp_path / "sources")
    source = sources / "layer.cpp"
    source.write_text(source.read_text() + "\nint First = nothing;\nint Second = neither;\n")
    with pytest.raises(RuntimeError, match=r"(?s)cannot compile.*nothing.*neither"):
        build(sources)
    assert list(cache.iterdir()) == []


# --- mutants ----------------------------------------------------------------------------------

KERNEL_MUTANTS = [
    ("gemm.hpp", "MultiplyTile<Word, 3>(", "MultiplyTile<Word, 2>("),
    ("gemm.hpp", "+ first * kTileRows;", ";"),
    ("pack.hpp", "if (whole != count)", "if (false)"),
    ("pack.hpp", "(bits & kMask)", "bits"),
]
MUTANTS = [
    ("requantize.hpp", "zero[channel] + half", "zero[channel]"),
    ("requantize.hpp", "std::max(-limit,", "std::max(-limit - 1,"),
    ("correction.hpp", "std::min(sum + kNeighbours, 0)", "0"),
    ("correction.hpp", "right[row] * two.excess", "right[row] * one.excess"),
    ("projection.hpp", "- kZeroPoint * total", "- (kZeroPoint - 1) * total"),
    ("attention.hpp", "-std::int32_t{tensors.mask[batch * sequence + key]}", "-1"),
    ("attention.hpp", "tensors.mask[batch * sequence + key]", "tensors.mask[key]"),
    ("attention.hpp", "std::fill_n(block, rows.count * kPanel, 0);", ""),
    ("attention.hpp", "std::fill_n(scores, rows.count * stride, 0);", ""),
    ("softmax.hpp", "distance * multiplier + 0.5", "distance * multiplier"),
    ("softmax.hpp", "std::min<double>(steps, kLastIndex)", "std::min<double>(steps, 4094)"),
    ("softmax.hpp", "(sum + pre_half) >> pre_shift", "sum >> pre_shift"),
    ("softmax.hpp", "exponential[key] & allowed[key]", "exponential[key]"),
    ("layernorm.hpp", "total * mean_multiplier + half", "total * mean_multiplier"),
    ("layernorm.hpp", "static_cast<std::int64_t>(spread) + epsilon", "spread"),
    ("layernorm.hpp", "half_shift - 8", "half_shift - 7"),
    ("residual.hpp", 'named.Integer(stage + ".projection.skip_shift")', "0"),
    ("gelu.hpp", "std::min(index, kGeluEntries)", "std::min(index, kGeluEntries - 1)"),
    ("gelu.hpp", "(value < 0 ? -value : value)", "(value < 0 ? 0 : value)"),
    ("layer.hpp", "block * size, std::min(size, rows - block * size)", "block * size, 1"),
]


def mutated(folder: Path, file: str, old: str, new: str) -> Path:
    sources = shutil.copytree(SOURCES, folder / "mutant")
    text = (sources / file).read_text()
    assert text.count(old) == 1, f"{file} must hold {old!r} once, not {text.count(old)} times"
    (sources / file).write_text(text.replace(old, new))
    return sources


# Byte products without VNNI, so that the corrections are tested on every machine.
QUICK = ("-O0", "-w", "-U__AVXVNNI__", "-U__AVX512VNNI__")


@pytest.mark.slow
@pytest.mark.parametrize(("file", "old", "new"), KERNEL_MUTANTS)
def test_the_self_check_kills(cache: Path, tmp_path: Path, file: str, old: str, new: str) -> None:
    with pytest.raises(RuntimeError, match="fail their own check"):
        build(mutated(tmp_path, file, old, new), QUICK)
    assert list(cache.iterdir()) == []


def survives(library: ctypes.CDLL) -> bool:
    for bits, sequence, batch in ((16, 70, 2), (8, 37, 3)):
        config = LayerConfig(24, 3, 40, residual_bits=bits)
        maker = Maker(config, bits)
        params = maker.layer()
        layer = NativeLayer(config, params, library)
        for masked in ("none", "holes"):
            hidden, mask = maker.activations(batch, sequence, masked)
            made = layer.run(hidden, mask, "op")
            if differences(made, run_layer(config, params, hidden, mask)):
                return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new"), [("gelu.hpp", "#pragma once", "#pragma once "), *MUTANTS]
)
def test_equality_kills(cache: Path, tmp_path: Path, file: str, old: str, new: str) -> None:
    """The first is no mutant: it alone must survive."""
    assert survives(declared(mutated(tmp_path, file, old, new), *QUICK)) == (new.strip() == old)
