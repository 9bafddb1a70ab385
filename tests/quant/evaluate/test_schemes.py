"""The schemes on seeded weights: cascade, widths, batches, and a planted error that shows."""

from __future__ import annotations

import numpy as np
import pytest

from transfab.quant import native_executor
from transfab.quant.bert.reference import embed, float_layer
from transfab.quant.bert.scales import Affine
from transfab.quant.evaluate import schemes
from transfab.quant.evaluate.run import compare
from transfab.quant.evaluate.schemes import (
    IntegerScheme,
    batches,
    float_states,
    integer_schemes,
)
from transfab.quant.evaluate.texts import LengthClass
from transfab.quant.native import available
from transfab.quant.random_source import RandomSource

SOURCE = RandomSource("bert-tiny")
EMBEDDINGS = SOURCE.embeddings()
CALIBRATION = [list(range(5 + i, 5 + i + 10 + 7 * i)) for i in range(12)]
SEQUENCES = ([7, 9, 11], [3], [40, 41, 42, 43, 44], list(range(300, 340)))
GROUP = LengthClass("tiny", SEQUENCES)


@pytest.fixture(scope="module")
def reference():
    return {"tiny": float_states(SOURCE, EMBEDDINGS, SEQUENCES, 2)}


@pytest.fixture(scope="module")
def integer():
    return integer_schemes(SOURCE, EMBEDDINGS, CALIBRATION, (16, 8), 2)


def all_states(scheme, sequences=SEQUENCES):
    return [np.stack(states) for states in scheme.run(sequences)]


def test_the_reference_is_the_float64_encoder(reference):
    state = embed(EMBEDDINGS, SEQUENCES[2])
    for index in range(SOURCE.layers):
        state = float_layer(SOURCE.layer(index), state)["output"]
        assert reference["tiny"][2][index] == pytest.approx(state, rel=1e-6)


def test_threads_change_no_bit_of_the_reference(reference):
    alone = float_states(SOURCE, EMBEDDINGS, SEQUENCES, 1)
    for one, two in zip(alone, reference["tiny"], strict=True):
        assert np.stack(one).tobytes() == np.stack(two).tobytes()


def test_both_widths_agree_with_float_and_the_wider_one_more(integer, reference):
    wide, narrow = (compare(scheme, [GROUP], reference)["tiny"] for scheme in integer)
    assert [scheme.name for scheme in integer] == ["R16", "R8"]
    # Two small layers with the outliers of trained ones: hard for so few channels.
    assert wide.sqnr_db > narrow.sqnr_db > 15
    assert narrow.cosine_mean > 0.99
    assert len(wide.sqnr_by_layer) == SOURCE.layers


def test_neither_batch_nor_padding_changes_a_state(integer):
    for scheme in integer:
        together = all_states(scheme)
        for sequence, states in zip(SEQUENCES, together, strict=True):
            assert all_states(scheme, [sequence])[0].tobytes() == states.tobytes()


@pytest.mark.skipif(not available()[0], reason=available()[1])
def test_without_a_compiler_the_states_are_the_same(integer, monkeypatch):
    for module in (schemes, native_executor):
        monkeypatch.setattr(module, "available", lambda: (False, "none here"))
    monkeypatch.setattr(schemes, "NativeLayer", None)
    slow = integer_schemes(SOURCE, EMBEDDINGS, CALIBRATION, (16, 8), 1)
    for quick, scheme in zip(integer, slow, strict=True):
        for a, b in zip(all_states(quick), all_states(scheme), strict=True):
            assert a.tobytes() == b.tobytes()


def test_layers_that_do_not_share_their_scales_are_refused():
    one, other = Affine(np.ones(4), np.zeros(4)), Affine(np.ones(4), np.ones(4))
    with pytest.raises(ValueError, match="in the scales of the output before"):
        IntegerScheme(EMBEDDINGS, 8, [(max, one, one), (max, other, one)])  # type: ignore[list-item]


def test_a_broken_layer_scores_low_from_that_layer_on(integer, reference):
    (first, *rest) = integer[0]._layers
    run, taken, given = rest[0]
    broken = IntegerScheme(
        EMBEDDINGS, 16, [first, (lambda h, m: np.ascontiguousarray(-run(h, m)), taken, given)]
    )
    sound, bad = (compare(s, [GROUP], reference)["tiny"] for s in (integer[0], broken))
    assert bad.sqnr_by_layer[0] == sound.sqnr_by_layer[0]
    assert bad.sqnr_db < 0 < sound.sqnr_db
    assert bad.cosine_mean < 0.5


def test_states_of_the_wrong_text_score_low(integer, reference):
    class Shifted:
        name = "shifted"

        def run(self, sequences):
            return integer[0].run([[token + 1 for token in tokens] for tokens in sequences])

    assert compare(Shifted(), [GROUP], reference)["tiny"].sqnr_db < 5


@pytest.mark.parametrize("tokens", [1, 4, 10, 10**6])
def test_batches_keep_the_order_and_the_bound(tokens):
    lengths = [3, 1, 4, 1, 5, 9, 2, 6]
    made = list(batches([[0] * n for n in lengths], tokens))
    assert [len(sequence) for batch in made for sequence in batch] == lengths
    for batch in made:
        assert len(batch) == 1 or max(map(len, batch)) * len(batch) <= tokens
    assert list(batches([], tokens)) == []
