"""The first layers of a source are a source of their own."""

from __future__ import annotations

import pytest

from transfab.quant.evaluate.first_layers import FirstLayers
from transfab.quant.evaluate.schemes import float_states
from transfab.quant.random_source import RandomSource

SOURCE = RandomSource("bert-tiny")
TOKENS = [SOURCE.tokens("what the first layer makes")]


def test_the_first_layer_gives_the_first_state_of_all():
    cut = FirstLayers(SOURCE, 1)
    (wanted,) = float_states(SOURCE, SOURCE.embeddings(), TOKENS, 1)
    (got,) = float_states(cut, cut.embeddings(), TOKENS, 1)
    assert len(got) == 1
    assert got[0].tobytes() == wanted[0].tobytes()


def test_the_name_says_what_is_left_out():
    cut = FirstLayers(SOURCE, 1)
    assert cut.name == "random:bert-tiny:0, first 1 of 2 layers"
    assert (cut.longest, cut.tokens("a"), cut.config(8)) == (
        SOURCE.longest,
        SOURCE.tokens("a"),
        SOURCE.config(8),
    )
    assert cut.weight_hash() == SOURCE.weight_hash()


@pytest.mark.parametrize("layers", [0, -1, 3])
def test_other_counts_are_refused(layers):
    with pytest.raises(ValueError, match=rf"--layers must be in \[1, 2\], not {layers}"):
        FirstLayers(SOURCE, layers)


def test_a_layer_that_was_cut_off_is_refused():
    with pytest.raises(ValueError, match=r"layer must be in \[0, 0\], not 1"):
        FirstLayers(SOURCE, 1).layer(1)
