"""The first layers of an encoder as an encoder: deep ones in the time that there is."""

from __future__ import annotations

from dataclasses import dataclass

from transfab.quant.bert.weights import FloatEmbeddings, FloatLayer
from transfab.quant.config import LayerConfig
from transfab.quant.sources import Source


@dataclass(frozen=True)
class FirstLayers:
    """A source cut after `layers` layers; its name says so.

    Raises ValueError unless the source has so many layers.
    """

    source: Source
    layers: int

    def __post_init__(self) -> None:
        if not 1 <= self.layers <= self.source.layers:
            raise ValueError(f"--layers must be in [1, {self.source.layers}], not {self.layers}")

    @property
    def name(self) -> str:
        return f"{self.source.name}, first {self.layers} of {self.source.layers} layers"

    @property
    def longest(self) -> int:
        return self.source.longest

    def config(self, residual_bits: int) -> LayerConfig:
        return self.source.config(residual_bits)

    def tokens(self, text: str) -> list[int]:
        return self.source.tokens(text)

    def embeddings(self) -> FloatEmbeddings:
        return self.source.embeddings()

    def layer(self, index: int) -> FloatLayer:
        if not 0 <= index < self.layers:
            raise ValueError(f"layer must be in [0, {self.layers - 1}], not {index}")
        return self.source.layer(index)

    def weight_hash(self) -> str:
        return self.source.weight_hash()
