"""AntiBERTy (BERT) and Sapiens (RoBERTa), encoders of antibody sequences, as model folders.

Their weights are pickled: torch reads them without running code, and refuses any that would.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch

from transfab.quant.shipped.germlines import write_texts

_ANTIBERTY: Final = "antiberty/trained_models"
_SAPIENS: Final = "sapiens/models/v1"
# fairseq's names in a layer, and Hugging Face's.
_FAIRSEQ: Final = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
}


def _save(folder: Path, config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    from safetensors.torch import save_file

    kept = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(kept, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


def _load(path: Path) -> dict[str, Any]:
    """A pickled checkpoint; ValueError for one that holds more than tensors and plain records."""
    try:
        # Sapiens also has its training's arguments, an attribute holder.
        with torch.serialization.safe_globals([argparse.Namespace]):
            loaded: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except UnpicklingError as err:
        raise ValueError(f"{path} would run code: it is never opened") from err
    return loaded


def write_antiberty(packages: Path, folder: Path) -> None:
    """Write the model folder and texts; FileNotFoundError where a package is not there."""
    trained = packages / _ANTIBERTY
    config = json.loads((trained / "AntiBERTy_md_smooth/config.json").read_text(encoding="utf-8"))
    weights = _load(trained / "AntiBERTy_md_smooth/pytorch_model.bin")
    encoder = {
        name.removeprefix("bert."): tensor
        for name, tensor in weights.items()
        if name.startswith(("bert.embeddings.", "bert.encoder.")) and tensor.is_floating_point()
    }
    _save(folder, config, encoder)
    words = (trained / "vocab.txt").read_text(encoding="utf-8").split()
    _write_tokenizer(folder, words, "[CLS]", "[SEP]", "[UNK]", "[PAD]")
    write_texts(packages, folder, "HKL")


def rename(name: str) -> str | None:
    """Hugging Face's name of a tensor of fairseq's encoder, None for one that is not used."""
    name = name.removeprefix("decoder.sentence_encoder.")
    if name.startswith("layers."):
        _, index, rest = name.split(".", 2)
        part, _, kind = rest.rpartition(".")
        return f"encoder.layer.{index}.{_FAIRSEQ[part]}.{kind}"
    return {
        "embed_tokens.weight": "embeddings.word_embeddings.weight",
        "embed_positions.weight": "embeddings.position_embeddings.weight",
        "emb_layer_norm.weight": "embeddings.LayerNorm.weight",
        "emb_layer_norm.bias": "embeddings.LayerNorm.bias",
    }.get(name)


def write_sapiens(packages: Path, folder: Path) -> None:
    """Write the model folder and texts; FileNotFoundError where a package is not there."""
    trained = packages / _SAPIENS
    # The checkpoint also holds its training's arguments, a plain record.
    weights = _load(trained / "checkpoint_vh.pt")["model"]
    named = {rename(name): tensor for name, tensor in weights.items()}
    encoder = {name: tensor for name, tensor in named.items() if name is not None}
    vocabulary, size = encoder["embeddings.word_embeddings.weight"].shape
    encoder["embeddings.token_type_embeddings.weight"] = torch.zeros(1, size)
    layers = {name.split(".")[2] for name in encoder if name.startswith("encoder.layer.")}
    config = {
        "model_type": "roberta",
        "hidden_act": "gelu",
        "hidden_size": size,
        "num_attention_heads": 8,
        "intermediate_size": encoder["encoder.layer.0.intermediate.dense.bias"].shape[0],
        "num_hidden_layers": len(layers),
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": encoder["embeddings.position_embeddings.weight"].shape[0],
        "pad_token_id": 1,
        "type_vocab_size": 1,
        "vocab_size": vocabulary,
    }
    _save(folder, config, encoder)
    lines = (trained / "dict.txt").read_text(encoding="utf-8").splitlines()
    words = ["<s>", "<pad>", "</s>", "<unk>", *(line.split()[0] for line in lines), "<mask>"]
    _write_tokenizer(folder, words, "<s>", "</s>", "<unk>", "<pad>")
    write_texts(packages, folder, "H")


def _write_tokenizer(
    folder: Path, words: list[str], first: str, last: str, unknown: str, padding: str
) -> None:
    """A tokenizer of words apart by spaces, each one of `words`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    ids = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, ids[first]), (last, ids[last])]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": unknown,
        "pad_token": padding,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
