"""Hugging Face's layers in float32, as they are and quantized by torchao and by torch itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from transfab.quant.bench import hugging_face_layer
from transfab.quant.bert.reference import embed
from transfab.quant.bert.weights import FloatEmbeddings
from transfab.quant.evaluate.schemes import States, over_threads
from transfab.quant.sources import Source


class Encoder(torch.nn.Module):
    """The encoder's layers from a float embedding (1, S, E) to the state after each of them."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        layers = [hugging_face_layer(source.layer(index)) for index in range(source.layers)]
        self.layers = torch.nn.ModuleList(cast("list[torch.nn.Module]", layers))
        self.eval()

    def forward(self, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        states = []
        for layer in self.layers:
            hidden = layer(hidden)
            states.append(hidden)
        return tuple(states)


# 512 products of an int8 and a uint8 sum to less than 2**24: exact in float32.
_EXACT: Final = 512


def exact_product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """(M, K) int8 or uint8 by (K, N) int8 to (M, N) int32, as sums that float32 holds exactly."""
    total = torch.zeros(len(left), right.shape[1], dtype=torch.int32)
    for start in range(0, len(right), _EXACT):
        part = slice(start, start + _EXACT)
        total += (left[:, part].float() @ right[part].float()).to(torch.int32)
    return total


class ExactProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Replaces torch's int8 product, the same integers 20 times faster where VNNI is lacking."""

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.ops.aten._int_mm.default:
            return exact_product(*args)
        return func(*args, **(kwargs or {}))


class TorchScheme:
    """An encoder that torch runs, one sequence at a time, one thread an operator."""

    def __init__(
        self, name: str, encoder: torch.nn.Module, embeddings: FloatEmbeddings, threads: int
    ) -> None:
        self.name = name
        self._encoder = encoder
        self._embeddings = embeddings
        self._threads = threads

    def _states(self, tokens: list[int]) -> States:
        hidden = torch.from_numpy(embed(self._embeddings, tokens)[None]).float()
        with torch.inference_mode(), ExactProducts():  # type: ignore[no-untyped-call]
            return [state[0].float().numpy() for state in self._encoder(hidden)]

    def run(self, sequences: Sequence[list[int]]) -> Iterator[States]:
        return over_threads(self._states, sequences, self._threads)


def torchao_scheme(source: Source, embeddings: FloatEmbeddings, threads: int) -> TorchScheme:
    """W8A8 of every linear layer: weights per channel, activations per token, both symmetric."""
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    encoder = Encoder(source)
    quantize_(encoder, Int8DynamicActivationInt8WeightConfig(set_inductor_config=False))
    return TorchScheme("torchao", encoder, embeddings, threads)


def torch_scheme(source: Source, embeddings: FloatEmbeddings, threads: int) -> TorchScheme:
    """torch's own dynamic quantization: weights and activations per tensor."""
    try:
        from torch.ao.quantization import quantize_dynamic
    except ImportError as err:
        raise ImportError(
            f"torch {torch.__version__} has no quantize_dynamic", name="torch"
        ) from err

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated in favour of torchao
        encoder: torch.nn.Module = quantize_dynamic(  # type: ignore[no-untyped-call]
            Encoder(source), {torch.nn.Linear}, dtype=torch.qint8
        )
    return TorchScheme("torch", encoder, embeddings, threads)
