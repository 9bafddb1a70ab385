"""A fitted layer: closer to float than the nearest weights, the same whatever runs it."""

from __future__ import annotations

import numpy as np
import pytest

from transfab.quant.bert.layer import run_layer
from transfab.quant.calibrate import batches, calibrate
from transfab.quant.executors import IntegerExecutor
from transfab.quant.native import available
from transfab.quant.native_executor import NativeExecutor
from transfab.quant.parameters import flatten
from transfab.quant.random_source import RandomSource

SOURCE = RandomSource("bert-tiny")
EMBEDDINGS = SOURCE.embeddings()
SEQUENCES = [SOURCE.tokens(" ".join(f"w{i * j % 97}" for j in range(60))) for i in range(1, 25)]


def fitted(bits: int, runner=None, threads: int = 1, sequences=SEQUENCES):
    return list(calibrate(SOURCE, EMBEDDINGS, sequences, 2, bits, threads, runner))


def leaves(layers) -> dict[str, bytes]:
    return {
        f"{layer.index}.{name}": value.tobytes()
        for layer in layers
        for name, value in flatten(layer.params).items()
    }


@pytest.mark.parametrize("bits", [8, 16])
def test_threads_and_executors_change_no_bit_of_a_fit(bits):
    wanted = leaves(fitted(bits, IntegerExecutor()))
    assert leaves(fitted(bits, IntegerExecutor(), threads=2)) == wanted
    if available()[0]:
        assert leaves(fitted(bits, NativeExecutor(threads=2), threads=2)) == wanted


@pytest.mark.parametrize("bits", [8, 16])
def test_a_fit_changes_the_weights_and_the_biases_only(bits):
    nearest, fit = fitted(bits)[0].params, fitted(bits, IntegerExecutor())[0].params
    changed = {
        name
        for name, value in flatten(fit).items()
        if value.tobytes() != flatten(nearest)[name].tobytes()
    }
    del nearest
    assert changed and all(name.rpartition(".")[2] in ("weight", "bias") for name in changed)


@pytest.mark.parametrize("bits", [8, 16])
def test_the_mean_output_of_each_projection_is_the_float_models(bits):
    """On the calibration text itself, to within a step of the bias."""
    layer = fitted(bits, IntegerExecutor())[0]
    config = SOURCE.config(bits)
    from transfab.quant.bert.reference import embed
    from transfab.quant.calibrate import pad

    sums, count = {}, 0
    for group in batches([embed(EMBEDDINGS, tokens) for tokens in SEQUENCES], 2048):
        batch = pad(group, layer.scales.hidden.stream, bits)
        made = run_layer(config, layer.params, **batch)
        real = batch["mask"].astype(bool)
        count += int(real.sum())
        for name in ("query", "key", "value"):
            total = made[f"{name}_accumulator"][real].sum(axis=0, dtype=np.int64)
            sums[name] = sums.get(name, 0) + total
    for name, total in sums.items():
        linear = getattr(layer.params.qkv, name)
        step = getattr(layer.scales, name).scale * linear.requantize.multiplier
        step = step / 2.0**linear.requantize.shift
        error = total / count * step - layer.statistics[name].mean
        # Half a step of the bias, and what 17-bit multipliers and 16-bit statistics leave.
        assert np.all(np.abs(error) <= step + 1e-3 * np.abs(layer.statistics[name].mean) + 1e-3)


def test_groups_hold_every_state_once_within_their_size():
    states = [np.zeros((length, 4)) for length in (5, 300, 7, 7, 40, 1)]
    groups = list(batches(sorted(states, key=len), 64))
    assert sorted(len(s) for group in groups for s in group) == [1, 5, 7, 7, 40, 300]
    assert all(len(group) * max(map(len, group)) <= 64 or len(group) == 1 for group in groups)
