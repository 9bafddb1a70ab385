"""The other quantizers that the product is compared with, each optional, by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from transfab.quant.bert.weights import FloatEmbeddings
from transfab.quant.evaluate.schemes import Scheme
from transfab.quant.sources import Source

Build = Callable[[Source, FloatEmbeddings, int], Scheme]


def _torchao(source: Source, embeddings: FloatEmbeddings, threads: int) -> Scheme:
    from transfab.quant.evaluate.torch_engines import torchao_scheme

    return torchao_scheme(source, embeddings, threads)


def _onnxruntime(source: Source, embeddings: FloatEmbeddings, threads: int) -> Scheme:
    from transfab.quant.evaluate.onnx_engine import OnnxScheme

    return OnnxScheme(source, embeddings, threads)


def _torch(source: Source, embeddings: FloatEmbeddings, threads: int) -> Scheme:
    from transfab.quant.evaluate.torch_engines import torch_scheme

    return torch_scheme(source, embeddings, threads)


def _per_tensor(source: Source, embeddings: FloatEmbeddings, threads: int) -> Scheme:
    from transfab.quant.evaluate.per_tensor import PerTensor

    return PerTensor(source, embeddings, threads)


@dataclass(frozen=True)
class Baseline:
    """Another quantizer.

    build     makes it from a source, its embeddings and a number of threads
    packages  import names that it needs beyond the `model` extra
    text      what it does, for the table
    """

    build: Build
    packages: tuple[str, ...]
    text: str

    def missing(self) -> str | None:
        """What is not installed, None if nothing."""
        lacks = [name for name in self.packages if importlib.util.find_spec(name) is None]
        if not lacks:
            return None
        return f"{' and '.join(lacks)} not installed (pip install 'transfab[eval]')"


BASELINES: dict[str, Baseline] = {
    "torchao": Baseline(_torchao, ("torchao",), "W8A8, dynamic per token, float non-linears"),
    "onnxruntime": Baseline(
        _onnxruntime, ("onnxruntime", "onnx"), "dynamic per tensor, weights per channel"
    ),
    "torch": Baseline(_torch, (), "dynamic per tensor, weights per tensor"),
    "per-tensor": Baseline(_per_tensor, (), "the original scheme, every tensor int8, one scale"),
}


def chosen(names: str) -> list[str]:
    """The baselines of `all`, `none` or a comma-separated list, in their own order.

    Raises ValueError for a name that is not known.
    """
    if names == "all":
        return list(BASELINES)
    wanted = [] if names == "none" else names.split(",")
    for name in wanted:
        if name not in BASELINES:
            raise ValueError(
                f"--baselines must be all, none or some of {', '.join(BASELINES)}, not {name!r}"
            )
    return [name for name in BASELINES if name in wanted]
