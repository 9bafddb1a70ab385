"""Seeded encoders at the sizes of real ones: every shape without a checkpoint.

The values are drawn, not trained, and say nothing about language; their outliers, tails and
attention are those of trained encoders (see seeded.py), so what they cost a quantizer is real.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from transfab.quant.bert.weights import FloatEmbeddings, FloatLayer, load_embeddings, load_layer
from transfab.quant.config import COPIES, LIMITS, LayerConfig
from transfab.quant.seeded import Recipe, Shape


@dataclass(frozen=True)
class Family:
    """What BERT and RoBERTa differ in outside the layers.

    begin, end      int              token ids around a text
    first_word      int              token id from which words are hashed
    first_position  int              row of the position table for the first token
    markers         tuple[int, ...]  tokens on which one channel is huge
    offset          float            of the widest channel, which RoBERTa has on all tokens
    """

    begin: int
    end: int
    vocabulary: int
    token_types: int
    first_word: int
    first_position: int
    epsilon: float
    markers: tuple[int, ...]
    offset: float


BERT: Final = Family(101, 102, 30522, 2, 1000, 0, 1e-12, (101,), 1.0)
ROBERTA: Final = Family(0, 2, 50265, 1, 4, 2, 1e-5, (0, 2), 1.4)
# family, layers, hidden, heads, feed_forward
PRESETS: Final = {
    "bert-tiny": (BERT, 2, 128, 2, 512),
    "bert-small": (BERT, 4, 512, 8, 2048),
    "bert-base": (BERT, 12, 768, 12, 3072),
    "bert-large": (BERT, 24, 1024, 16, 4096),
    "roberta-tiny": (ROBERTA, 2, 128, 2, 512),
    "roberta-base": (ROBERTA, 12, 768, 12, 3072),
}


@dataclass(frozen=True)
class RandomSource:
    """An encoder of preset size with weights drawn from a seed; tokens are hashed words.

    preset  one of PRESETS
    seed    int >= 0

    Raises ValueError for another preset or a negative seed.
    """

    preset: str
    seed: int = 0

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"--random must be one of {', '.join(PRESETS)}, not {self.preset}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, not {self.seed}")

    @property
    def name(self) -> str:
        return f"random:{self.preset}:{self.seed}"

    @property
    def _family(self) -> Family:
        return PRESETS[self.preset][0]

    @property
    def layers(self) -> int:
        return PRESETS[self.preset][1]

    @property
    def longest(self) -> int:
        return LIMITS["sequence"]

    def config(self, residual_bits: int) -> LayerConfig:
        _, _, hidden, heads, feed_forward = PRESETS[self.preset]
        return LayerConfig(hidden, heads, feed_forward, residual_bits=residual_bits, copies=COPIES)

    def tokens(self, text: str) -> list[int]:
        family = self._family
        words = re.findall(r"\w+|[^\w\s]", text.lower())
        span = family.vocabulary - family.first_word
        hashed = (family.first_word + zlib.crc32(word.encode()) % span for word in words)
        return [family.begin, *hashed, family.end]

    @cached_property
    def _recipe(self) -> Recipe:
        family, layers, hidden, heads, feed_forward = PRESETS[self.preset]
        positions = self.longest + family.first_position
        sizes = (family.vocabulary, positions, family.token_types)
        shape = Shape(layers, hidden, heads, feed_forward, *sizes)
        return Recipe(self.name, shape, family.markers, family.offset)

    def embeddings(self) -> FloatEmbeddings:
        family = self._family
        return load_embeddings(self._recipe.draw, family.epsilon, family.first_position)

    def layer(self, index: int) -> FloatLayer:
        heads = PRESETS[self.preset][3]
        return load_layer(self._recipe.draw, index, heads, self._family.epsilon)

    def weight_hash(self) -> str:
        """sha256 of the recipe: the weights follow from the name and numpy's PCG64."""
        return hashlib.sha256(self.name.encode()).hexdigest()
