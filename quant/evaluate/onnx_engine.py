"""Hugging Face's layers exported to ONNX and quantized by onnxruntime."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from transfab.quant.bert.reference import embed
from transfab.quant.bert.weights import FloatEmbeddings
from transfab.quant.evaluate.schemes import States, over_threads
from transfab.quant.evaluate.torch_engines import Encoder
from transfab.quant.sources import Source


def export(encoder: Encoder, size: int, path: Path) -> None:
    """Write the layers as ONNX: `hidden` (1, S, E) in, the state after each layer out, any S."""
    names = [f"state{index}" for index in range(len(encoder.layers))]
    with warnings.catch_warnings(), torch.inference_mode():
        # The exporter that needs no further package warns that another one is to follow it.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder,
            (torch.zeros(1, 8, size),),
            path,
            input_names=["hidden"],
            output_names=names,
            dynamic_axes={name: {1: "sequence"} for name in ("hidden", *names)},
            dynamo=False,
        )


class OnnxScheme:
    """onnxruntime's dynamic quantization: int8 weights per channel, activations per tensor."""

    name = "onnxruntime"

    def __init__(self, source: Source, embeddings: FloatEmbeddings, threads: int) -> None:
        import onnxruntime
        from onnxruntime.quantization import QuantType, quantize_dynamic

        self._embeddings = embeddings
        self._threads = threads
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        level = logging.root.level
        with tempfile.TemporaryDirectory() as folder:
            plain, quantized = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
            export(Encoder(source), embeddings.word.shape[1], plain)
            try:
                logging.root.setLevel(logging.ERROR)  # it recommends a step for other operators
                quantize_dynamic(plain, quantized, per_channel=True, weight_type=QuantType.QInt8)
            finally:
                logging.root.setLevel(level)
            self._session = onnxruntime.InferenceSession(
                quantized, options, providers=["CPUExecutionProvider"]
            )

    def _states(self, tokens: list[int]) -> States:
        hidden = embed(self._embeddings, tokens)[None].astype(np.float32)
        return [state[0] for state in self._session.run(None, {"hidden": hidden})]

    def run(self, sequences: Sequence[list[int]]) -> Iterator[States]:
        return over_threads(self._states, sequences, self._threads)
