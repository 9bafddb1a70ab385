"""Each layer alone on held-out text: the sample, its figures, and a planted fault that is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transfab.quant.bert.layer import STAGES, run_layer
from transfab.quant.bert.reference import embed, float_layer
from transfab.quant.calibrate import CalibratedLayer, calibrate, pad
from transfab.quant.config import LayerConfig
from transfab.quant.deviation import LayerTally, worst_first
from transfab.quant.evaluate import run
from transfab.quant.evaluate.deviation import LayersAlone, sample
from transfab.quant.evaluate.texts import LengthClass
from transfab.quant.executors import Executor, IntegerExecutor
from transfab.quant.random_source import RandomSource

SOURCE = RandomSource("bert-tiny")
EMBEDDINGS = SOURCE.embeddings()
CALIBRATION = [list(range(5 + i, 5 + i + 10 + 7 * i)) for i in range(12)]
SAMPLES = {"short": [[7, 9, 11], [40, 41, 42, 43, 44]], "long": [list(range(300, 340))]}


@pytest.fixture(scope="module")
def calibrated() -> list[CalibratedLayer]:
    return list(calibrate(SOURCE, EMBEDDINGS, CALIBRATION, 2, 16))


def alone(layers: list[CalibratedLayer], executor: Executor, samples: Any = SAMPLES) -> LayersAlone:
    collected = LayersAlone(SOURCE.config(16), EMBEDDINGS, samples)
    for layer in layers:
        collected.add(layer, executor)
    return collected


class Faulty(IntegerExecutor):
    """Saturates the output of the second layer that it meets."""

    def __init__(self) -> None:
        self.layers = 0

    def run(self, config: Any, stage: Any, params: Any, inputs: Any) -> Any:
        made = dict(super().run(config, stage, params, inputs))
        if stage is STAGES[3]:
            self.layers += 1
            if self.layers == 2:
                made["output"] = np.where(made["output"] < 0, -32767, 32767).astype(np.int16)
        return made


def test_every_tensor_of_every_layer_is_there_once_worst_first(
    calibrated: list[CalibratedLayer],
) -> None:
    found = alone(calibrated, IntegerExecutor()).result()
    assert [(name, each.texts, each.tokens) for name, each in found.items()] == [
        ("short", 2, 8),
        ("long", 1, 40),
    ]
    for each in found.values():
        assert each.tensors == worst_first(each.tensors)
        for layer in (0, 1):
            tensors = [row.tensor for row in each.tensors if row.layer == layer]
            assert len(tensors) == len(set(tensors)) == 38


def test_a_layer_is_measured_on_its_own_float_input(calibrated: list[CalibratedLayer]) -> None:
    second = calibrated[1]
    states = [embed(EMBEDDINGS, tokens) for tokens in SAMPLES["short"]]
    states = [float_layer(calibrated[0].layer, state)["output"] for state in states]
    floats = [{"hidden": state, **float_layer(second.layer, state)} for state in states]
    inputs = pad(states, second.scales.hidden.stream, 16)
    tally = LayerTally(1, second.layer, second.params, second.scales)
    tally.add(run_layer(SOURCE.config(16), second.params, **inputs), floats)
    found = alone(calibrated, IntegerExecutor()).result()["short"].tensors
    assert [row for row in found if row.layer == 1] == worst_first(tally.result())


def test_a_fault_is_worst_in_its_layer_and_leaves_the_others_as_they_are(
    calibrated: list[CalibratedLayer],
) -> None:
    samples = {"short": SAMPLES["short"]}
    sound, faulty = (
        alone(calibrated * 2, executor, samples).result()["short"].tensors
        for executor in (IntegerExecutor(), Faulty())
    )
    # The layers come twice, so that some follow the one with the fault.
    changed = [row for row in faulty if row not in sound]
    assert changed == faulty[:1]
    assert (changed[0].layer, changed[0].stage, changed[0].tensor) == (1, "output", "output")
    assert changed[0].saturated == 1.0
    assert changed[0].sqnr_db < 10


@pytest.mark.parametrize("residual_bits", [8, 16])
def test_batches_and_padding_change_no_figure(
    residual_bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (layer,) = calibrate(SOURCE, EMBEDDINGS, CALIBRATION, 1, residual_bits)
    results = []
    for tokens in (1, 1000):
        monkeypatch.setattr("transfab.quant.evaluate.deviation.BATCH_TOKENS", tokens)
        collected = LayersAlone(SOURCE.config(residual_bits), EMBEDDINGS, SAMPLES)
        collected.add(layer, IntegerExecutor())
        results.append(collected.result())
    assert results[0] == results[1]


def test_each_width_is_run_and_measured_by_its_own_config(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Spied(LayersAlone):
        def __init__(self, config: LayerConfig, *rest: Any) -> None:
            super().__init__(config, *rest)
            seen.append(config)

        def add(self, calibrated: CalibratedLayer, executor: Executor) -> None:
            super().add(calibrated, executor)
            assert (calibrated.params.qkv.hidden is None) == (seen[-1].residual_bits == 8)

    monkeypatch.setattr(run, "LayersAlone", Spied)
    classes = [LengthClass(name, tuple(sequences)) for name, sequences in SAMPLES.items()]
    found = run.evaluate(SOURCE, run.Request(classes, CALIBRATION, (8, 16), quick=True)).deviation
    assert seen == [SOURCE.config(8), SOURCE.config(16)]
    assert {name: list(classes) for name, classes in found.items()} == {
        "R8": ["short", "long"],
        "R16": ["short", "long"],
    }


def lengths(*values: int) -> list[list[int]]:
    return [[0] * value for value in values]


@pytest.mark.parametrize(
    ("given", "tokens", "taken"),
    [
        ((3, 4, 5), 100, (3, 4, 5)),  # less than asked for: all of it
        ((512, 512, 512), 1024, (512, 512)),
        ((512,), 4, (512,)),  # at least one text
        ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 11, (3, 8)),  # from the middle of each half
        ((1, 1, 1, 97), 50, (1, 97)),
    ],
)
def test_a_sample_is_spread_over_the_lengths(
    given: tuple[int, ...], tokens: int, taken: tuple[int, ...]
) -> None:
    assert tuple(map(len, sample(lengths(*given), tokens))) == taken
