"""Seeded weights at the sizes of real encoders: shapes and bits without a checkpoint.

The values are drawn, not trained: they exercise every width and tile at full size, and say
nothing about accuracy on language.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from transfab.quant.bert.weights import (
    FloatArray,
    FloatEmbeddings,
    FloatLayer,
    load_embeddings,
    load_layer,
)
from transfab.quant.config import COPIES, LIMITS, LayerConfig

# layers, hidden, heads, feed_forward
PRESETS: Final = {
    "bert-tiny": (2, 128, 2, 512),
    "bert-small": (4, 512, 8, 2048),
    "bert-base": (12, 768, 12, 3072),
    "bert-large": (24, 1024, 16, 4096),
}
VOCABULARY: Final = 30522
_FIRST_WORD: Final = 1000
_BEGIN, _END = 101, 102
# Trained encoders have a few channels with a gain far above the rest.
_OUTLIERS, _OUTLIER_GAIN = 4, 4.0


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
    def layers(self) -> int:
        return PRESETS[self.preset][0]

    @property
    def longest(self) -> int:
        return LIMITS["sequence"]

    def config(self, residual_bits: int) -> LayerConfig:
        _, hidden, heads, feed_forward = PRESETS[self.preset]
        return LayerConfig(hidden, heads, feed_forward, residual_bits=residual_bits, copies=COPIES)

    def tokens(self, text: str) -> list[int]:
        words = re.findall(r"\w+|[^\w\s]", text.lower())
        span = VOCABULARY - _FIRST_WORD
        return [_BEGIN, *(_FIRST_WORD + zlib.crc32(w.encode()) % span for w in words), _END]

    def _draw(self, name: str) -> FloatArray:
        """One tensor by its Hugging Face name, independent of the order of the calls."""
        _, hidden, _, feed_forward = PRESETS[self.preset]
        digest = hashlib.sha256(f"{self.name}:{name}".encode()).digest()
        rng = np.random.default_rng(np.frombuffer(digest, np.uint32))
        if "LayerNorm" in name:
            values = rng.normal(1.0 if name.endswith("weight") else 0.0, 0.1, hidden)
            values[rng.choice(hidden, _OUTLIERS, replace=False)] *= _OUTLIER_GAIN
            return values
        rows = {"word_embeddings": VOCABULARY, "position_embeddings": self.longest}
        rows |= {"token_type_embeddings": 2}
        table = name.split(".")[1]
        if table in rows:
            return rng.normal(0.0, 0.05, (rows[table], hidden))
        widens = name.endswith(("intermediate.dense.weight", "intermediate.dense.bias"))
        narrows = ".output.dense.weight" in name and ".attention." not in name
        outputs = feed_forward if widens else hidden
        if name.endswith("bias"):
            return rng.normal(0.0, 0.1, outputs)
        return rng.normal(0.0, 0.04, (outputs, feed_forward if narrows else hidden))

    def embeddings(self) -> FloatEmbeddings:
        return load_embeddings(self._draw, 1e-12, 0)

    def layer(self, index: int) -> FloatLayer:
        return load_layer(self._draw, index, PRESETS[self.preset][2], 1e-12)

    def weight_hash(self) -> str:
        """sha256 of the recipe: the weights follow from the name and numpy's PCG64."""
        return hashlib.sha256(self.name.encode()).hexdigest()
