"""The report on a bundle: ranges, saturation and recorded agreement of every tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from transfab.quant.bert.names import TENSORS
from transfab.quant.bundle import INPUT_FILE, read_bundle, stage_file
from transfab.quant.report import inspect, saturation


def test_every_tensor_has_a_row_with_its_range(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    rows = list(inspect(bundle))
    listed = [entry for file in bundle.manifest.files.values() for entry in file.tensors]
    assert len(rows) == len(listed)
    for row in rows:
        file = INPUT_FILE if row.layer is None else stage_file(row.layer, row.stage)
        tensor = bundle.tensors(file, row.role)[row.tensor]
        assert (row.low, row.high) == (int(tensor.min()), int(tensor.max()))
        assert (row.shape, row.dtype) == (tensor.shape, str(tensor.dtype))
        assert bool(row.text) == (row.tensor in TENSORS)


def test_every_value_that_a_bundle_records_has_a_description(tiny_bundle: Path) -> None:
    for row in inspect(read_bundle(tiny_bundle)):
        assert row.role == "parameter" or row.tensor in TENSORS, row.tensor


def test_saturation_counts_both_limits_of_a_clamped_tensor() -> None:
    assert saturation("query", np.array([127, -127, 126, -126, 0, 127], np.int8)) == 3
    wide = np.array([[32767, -32767], [127, -127]], np.int16)
    assert saturation("attention_sum", wide) == 2
    assert saturation("output", np.zeros((2, 2), np.int16)) == 0


@pytest.mark.parametrize("name", ["mask", "scores", "exponential", "query.weight", "unheard_of"])
def test_saturation_means_nothing_where_nothing_is_clamped(name: str) -> None:
    assert saturation(name, np.full(4, 127, np.int8)) is None


def test_planted_saturation_reaches_the_report(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = read_bundle(tiny_bundle)
    before = {(r.layer, r.tensor): r.saturated for r in inspect(bundle) if r.role == "output"}
    load = type(bundle)._load

    def planted(self, file, entry):  # type: ignore[no-untyped-def]
        tensors = load(self, file, entry)
        if file == stage_file(1, "output"):
            tensors["output/output"][0, 0, :4] = [32767, -32767, 32767, -32767]
        return tensors

    monkeypatch.setattr(type(bundle), "_load", planted)
    after = {(r.layer, r.tensor): r.saturated for r in inspect(bundle) if r.role == "output"}
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {(1, "output")}
    assert after[1, "output"] == 4 + (before[1, "output"] or 0)


def test_agreement_is_recorded_for_every_stage_output_and_is_plausible(tiny_bundle: Path) -> None:
    rows = [row for row in inspect(read_bundle(tiny_bundle)) if row.role == "output"]
    assert len(rows) == 12
    for row in rows:
        # 8 bits give 50 dB at best, 16 bits 98; below 15 dB the tiny layer would be broken.
        assert row.sqnr_db is not None and 15 < row.sqnr_db < 98, row.tensor


def test_every_tensor_but_parameters_and_the_mask_has_its_recorded_agreement(
    tiny_bundle: Path,
) -> None:
    bundle = read_bundle(tiny_bundle)
    recorded = {(row.layer, row.tensor): row.sqnr_db for row in bundle.manifest.deviation}
    for row in inspect(bundle):
        if row.role == "parameter" or row.tensor == "mask":
            assert row.sqnr_db is None, row.tensor
        else:
            assert row.sqnr_db == recorded[row.layer or 0, row.tensor], row.tensor
