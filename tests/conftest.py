"""A tiny encoder and its bundles, small enough that a test may damage one byte at a time."""

from __future__ import annotations

import hashlib
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from transfab.quant.bert.weights import (
    FloatArray,
    FloatEmbeddings,
    FloatLayer,
    load_embeddings,
    load_layer,
)
from transfab.quant.config import LayerConfig

# A shell's background jobs ignore it, and so would every command that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HIDDEN, HEADS, FEED_FORWARD, LAYERS, VOCABULARY, LONGEST = 16, 2, 32, 2, 64, 32
TEXTS = [[2, 11, 40, 7, 3], [2, 25, 3]]
CALIBRATION = [
    [2, *((7 * row + 5 * column) % 60 + 4 for column in range(26)), 3] for row in range(20)
]


def draw(name: str) -> FloatArray:
    """One tensor by its Hugging Face name: seeded by the name, so the order of calls is free."""
    seed = np.frombuffer(hashlib.sha256(name.encode()).digest(), np.uint32)
    rng = np.random.default_rng(seed)
    rows = {"word": VOCABULARY, "position": LONGEST, "token": 2}
    if name.startswith("embeddings.") and "LayerNorm" not in name:
        return rng.normal(0.0, 0.5, (rows[name.split(".")[1].partition("_")[0]], HIDDEN))
    if "LayerNorm" in name:
        return rng.normal(1.0 if name.endswith("weight") else 0.0, 0.1, HIDDEN)
    outputs = FEED_FORWARD if "intermediate" in name else HIDDEN
    if name.endswith("bias"):
        return rng.normal(0.0, 0.1, outputs)
    narrows = ".output.dense." in name and ".attention." not in name
    return rng.normal(0.0, 0.25, (outputs, FEED_FORWARD if narrows else HIDDEN))


def all_tensors() -> dict[str, FloatArray]:
    """Every tensor of the tiny encoder by its Hugging Face name."""
    tensors: dict[str, FloatArray] = {}

    def keep(name: str) -> FloatArray:
        return tensors.setdefault(name, draw(name))

    load_embeddings(keep, 1e-12, 0)
    for index in range(LAYERS):
        load_layer(keep, index, HEADS, 1e-12)
    return tensors


@dataclass(frozen=True)
class TinySource:
    """Two layers of E = 16, H = 2, F = 32 over a vocabulary of 64; see `quant.sources.Source`."""

    name: str = "tiny"
    layers: int = LAYERS
    longest: int = LONGEST

    def config(self, residual_bits: int) -> LayerConfig:
        return LayerConfig(HIDDEN, HEADS, FEED_FORWARD, residual_bits=residual_bits)

    def tokens(self, text: str) -> list[int]:
        return [2, *(ord(letter) % 60 + 4 for letter in text), 3]

    def embeddings(self) -> FloatEmbeddings:
        return load_embeddings(draw, 1e-12, 0)

    def layer(self, index: int) -> FloatLayer:
        return load_layer(draw, index, HEADS, 1e-12)

    def weight_hash(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()


MakeBundle = Callable[..., Path]


@pytest.fixture(scope="session")
def make_bundle() -> MakeBundle:
    """Write a bundle of the tiny encoder; keywords replace the fields of the request."""
    from transfab.quant.executors import IntegerExecutor
    from transfab.quant.golden import Request, golden

    def make(folder: Path, **changes: object) -> Path:
        settings: dict[str, object] = {
            "sequences": TEXTS,
            "calibration": CALIBRATION,
            "input_source": "test",
            "calibration_source": "test",
            "layers": range(LAYERS),
            "level": "op",
        }
        golden(TinySource(), Request(**(settings | changes)), folder, IntegerExecutor())  # type: ignore[arg-type]
        return folder

    return make


@pytest.fixture(scope="session")
def tiny_bundle(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both layers at operator level, two texts of 5 and 3 tokens; not to be written to."""
    return make_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture(scope="session")
def stage_bundle(make_bundle: MakeBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same at stage level; not to be written to."""
    return make_bundle(tmp_path_factory.mktemp("tiny") / "stage", level="stage")


@pytest.fixture
def bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of `tiny_bundle` that a test may damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def tiny_tensors() -> dict[str, FloatArray]:
    """Weights of the tiny encoder by their Hugging Face names."""
    return all_tensors()
