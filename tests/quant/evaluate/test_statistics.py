"""The numbers that say how hard an encoder is to quantize, on tensors whose numbers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from transfab.quant.bert.weights import FloatLinear
from transfab.quant.evaluate.statistics import STATISTICS, layer_statistics, main
from transfab.quant.random_source import RandomSource

SOURCE = RandomSource("bert-tiny")
LAYER = SOURCE.layer(0)
STATES = [np.random.default_rng(seed).normal(size=(24, 128)) for seed in range(8)]


def changed(field: str, weight: np.ndarray) -> dict[str, float]:
    linear = FloatLinear(weight, getattr(LAYER, field).bias)
    return layer_statistics(replace(LAYER, **{field: linear}), STATES)


def test_a_large_gain_is_found():
    gain = np.ones(128)
    gain[7] = 30
    found = changed("output_norm", gain)
    assert found["gain_largest"] == 30
    assert found["hidden_largest"] > 15


def test_a_gain_of_zero_is_found():
    assert changed("attention_norm", np.r_[0.0, np.ones(127)])["gain_least"] == 0


def test_one_huge_weight_is_found():
    weight = LAYER.output.weight.copy()
    weight[3, 5] = 100
    assert changed("output", weight)["weight_largest"] > 200


def test_scores_that_are_all_equal_have_no_spread_and_no_sink():
    found = changed("query", np.zeros((128, 128)))
    calm = layer_statistics(
        replace(LAYER, query=FloatLinear(np.zeros((128, 128)), np.zeros(128))), STATES
    )
    assert calm["score_spread"] == calm["score_sharpest"] == 0
    assert calm["sink"] == pytest.approx(2 / 24)
    assert found["score_spread"] > 0  # the bias still points somewhere


def test_rows_that_are_all_alike_have_one_direction():
    one = np.linspace(-1, 1, 24)[:, None] * np.ones(128) * 1e-3
    found = layer_statistics(LAYER, [one + np.arange(128)])
    assert found["directions"] < 3
    assert layer_statistics(LAYER, STATES)["directions"] > 30


def test_the_table_has_a_row_a_number_and_a_column_a_model(capsys, monkeypatch):
    monkeypatch.setattr("transfab.quant.evaluate.statistics.TEXTS", (4, 0, 0))
    assert main(["random:bert-tiny", "random:roberta-tiny"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| least to largest layer | random:bert-tiny:0 | random:roberta-tiny:0 |"
    assert len(lines) == 2 + len(STATISTICS)
    assert all(line.count("|") == 4 for line in lines)


@pytest.mark.parametrize("name", ["random:bert", "no/such/folder/at/all"])
def test_an_unknown_model_is_one_line(capsys, name):
    assert main([name]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("transfab: ") and captured.err.count("\n") == 1
