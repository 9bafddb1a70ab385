"""The public vectors that the tests of I-BERT run on: a small copy here, whole layers beside.

Whole layers lie in `../shared/vectors` beside the repository, or where TRANSFAB_VECTORS says: a
file, or a folder of `ibert*.npz`. A test with the argument `layer` runs on every file, one with
`whole_layer` on whole layers only.
"""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from transfab.quant.ibert.vectors import Vectors, read_vectors

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared"
REDUCED = Path(__file__).parent / "data" / "ibert_layer0_reduced.npz"


@dataclass(frozen=True)
class Layer:
    """A file of vectors, what it holds, and its sha256."""

    path: Path
    vectors: Vectors
    sha256: str


def whole_layers() -> list[Path]:
    place = Path(os.environ.get("TRANSFAB_VECTORS", SHARED / "vectors"))
    return sorted(place.glob("ibert*.npz")) if place.is_dir() else [place]


@functools.cache
def open_layer(path: Path) -> Layer:
    if not path.is_file():
        text = f"no I-BERT vectors at {path}: set TRANSFAB_VECTORS"
        if os.environ.get("CI") == "true" and SHARED.exists():
            pytest.fail(text)
        pytest.skip(text)
    return Layer(path, read_vectors(path), hashlib.sha256(path.read_bytes()).hexdigest())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    paths = whole_layers() or [SHARED / "vectors" / "ibert_layer0.npz"]
    for name, files in (("layer", [REDUCED, *paths]), ("whole_layer", paths)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, files, indirect=True, ids=[path.stem for path in files])


@pytest.fixture(scope="module")
def layer(request: pytest.FixtureRequest) -> Layer:
    return open_layer(request.param)


@pytest.fixture(scope="module")
def whole_layer(request: pytest.FixtureRequest) -> Layer:
    return open_layer(request.param)


@pytest.fixture(scope="session")
def reduced() -> Vectors:
    return read_vectors(REDUCED)


@pytest.fixture(scope="session")
def reduced_path() -> Path:
    return REDUCED
