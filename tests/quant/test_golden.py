"""What a request decides, and what it must not: threads, batch, padding, the layers around."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from transfab.quant.bert.reference import embed, float_layer
from transfab.quant.bundle import read_bundle, stage_file
from transfab.quant.executors import IntegerExecutor
from transfab.quant.golden import Request, golden
from transfab.quant.random_source import RandomSource

CALIBRATION = [list(range(1000 + i, 1060 + 2 * i)) for i in range(10)]
TEXTS = [list(range(2000, 2009)), list(range(3000, 3004)), list(range(4000, 4013))]
SOURCE = RandomSource("bert-tiny")


def make(folder: Path, name: str, **changes: object):
    settings: dict[str, object] = {"sequences": TEXTS, "layers": range(2), "level": "op"}
    request = Request(
        calibration=CALIBRATION,
        input_source="test",
        calibration_source="test",
        **(settings | changes),  # type: ignore[arg-type]
    )
    golden(SOURCE, request, folder / name, IntegerExecutor())
    return read_bundle(folder / name)


@pytest.mark.parametrize("residual_bits", [8, 16])
def test_the_same_inputs_give_the_same_bytes_whatever_the_threads(tmp_path, residual_bits):
    one = make(tmp_path, "one", threads=1, residual_bits=residual_bits)
    two = make(tmp_path, "two", threads=2, residual_bits=residual_bits)
    assert one.manifest.bundle_hash == two.manifest.bundle_hash
    for path in one.folder.iterdir():
        assert path.read_bytes() == (two.folder / path.name).read_bytes()


def test_padding_and_batch_change_no_bit_of_a_sentence(tmp_path):
    together = make(tmp_path, "together")
    for row, text in enumerate(TEXTS):
        alone = make(tmp_path, f"alone{row}", sequences=[text])
        for layer, stage in alone.stages():
            file = stage_file(layer, stage.name)
            for name in stage.outputs:
                wanted = alone.tensors(file, "output")[name][0]
                got = together.tensors(file, "output")[name][row, : len(text)]
                assert got.tobytes() == wanted.tobytes(), (layer, name)


def test_a_layer_is_the_same_alone_as_in_a_range_up_to_its_input(tmp_path):
    both, second = make(tmp_path, "both"), make(tmp_path, "second", layers=range(1, 2))
    for stage in [stage for layer, stage in second.stages() if layer == 1]:
        file = stage_file(1, stage.name)
        wanted = both.tensors(file, "parameter")
        for name, got in second.tensors(file, "parameter").items():
            assert got.tobytes() == wanted[name].tobytes(), name


def test_another_seed_text_or_width_gives_another_hash(tmp_path):
    hashes = {
        make(tmp_path, "base").manifest.bundle_hash,
        make(tmp_path, "text", sequences=TEXTS[:2]).manifest.bundle_hash,
        make(tmp_path, "width", residual_bits=8).manifest.bundle_hash,
        make(tmp_path, "level", level="stage").manifest.bundle_hash,
        make(tmp_path, "layer", layers=range(1)).manifest.bundle_hash,
    }
    assert len(hashes) == 5


def test_recorded_deviations_are_those_of_all_texts_against_the_float_cascade(tmp_path):
    bundle = make(tmp_path, "bundle")
    recorded = {(row.layer, row.tensor): row for row in bundle.manifest.deviation}
    states = [embed(SOURCE.embeddings(), text) for text in TEXTS]
    for layer in (0, 1):
        floats = [float_layer(SOURCE.layer(layer), state) for state in states]
        for stage, name in (("qkv", "value"), ("attention", "context"), ("output", "output")):
            integers = bundle.tensors(stage_file(layer, stage))[name]
            real = bundle.scales(layer)[name].dequantize(integers)
            wanted = np.concatenate([tensors[name] for tensors in floats])
            got = np.concatenate([real[row, : len(text)] for row, text in enumerate(TEXTS)])
            error, row = np.abs(got - wanted), recorded[layer, name]
            assert row.stage == stage
            sqnr = 10 * np.log10((wanted**2).sum() / (error**2).sum())
            assert row.sqnr_db == pytest.approx(sqnr, abs=0.01)
            assert row.max_error == pytest.approx(error.max(), rel=1e-3)
            assert row.rms == pytest.approx(np.sqrt((wanted**2).mean()), rel=1e-3)
        states = [tensors["output"] for tensors in floats]
