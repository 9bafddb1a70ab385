"""The matrix engines alone equal numpy, on the matrices of the original's tests and on harder ones.

The first are (i * columns + j) % p: few different rows and no negative number.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from transfab.hls.ap_int import ap_int_headers
from transfab.hls.build import SOURCES, missing
from transfab.quant.intmath import Array
from transfab.quant.native.build import compiler, run

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
# rows, channels, depth, PE, SIMD, columns of a block
SIZES = {
    "original": (128, 768, 768, 32, 64, 64),
    "ragged": (37, 45, 130, 7, 16, 48),
    "one": (1, 1, 1, 1, 1, 1),
    "one tile": (16, 8, 64, 8, 64, 64),
    "tile larger than matrix": (3, 5, 9, 20, 32, 32),
}
Multiply = Callable[[str, Array, Array], Array]


def library(folder: Path, name: str, *flags: str) -> ctypes.CDLL:
    command, target = compiler(), folder / "gemm.so"
    assert command is not None
    sizes = zip(("ROWS", "CHANNELS", "DEPTH", "PE", "SIMD", "BLOCK"), SIZES[name], strict=True)
    defined = [f"-DSIZE_{key}={value}" for key, value in sizes]
    unit = Path(__file__).with_name("gemm_top.cpp")
    options = ["-std=c++17", "-O2", "-w", "-fPIC", "-shared", f"-I{SOURCES}", *defined, *flags]
    run([[*command, *options, "-o", str(target), str(unit)]])
    return ctypes.CDLL(str(target))


def multiply(loaded: ctypes.CDLL, engine: str, operand: Array, weight: Array) -> Array:
    """operand (rows, K) int8 times weight (N, K) int8 transposed, int32."""
    left, right = np.ascontiguousarray(operand), np.ascontiguousarray(weight)
    result = np.zeros((len(left), len(right)), np.int32)
    function = getattr(loaded, f"MultiplyBy{engine}")
    function.restype = ctypes.c_bool
    pointers = [ctypes.c_void_p(one.ctypes.data) for one in (left, right, result)]
    assert function(len(left), *pointers), "beats or sums are left over"
    return result


def genmat(rows: int, columns: int, modulus: int) -> Array:
    """The original's test matrices."""
    index = np.arange(rows * columns).reshape(rows, columns)
    return (index % modulus).astype(np.int8)


def assert_equal_to_numpy(loaded: ctypes.CDLL, operand: Array, weight: Array) -> None:
    expected = operand.astype(np.int64) @ weight.T.astype(np.int64)
    for engine in ("Channel", "Depth"):
        assert np.array_equal(multiply(loaded, engine, operand, weight), expected), engine


def operands(name: str) -> list[tuple[Array, Array]]:
    rows, channels, depth, *_ = SIZES[name]
    rng = np.random.default_rng(depth)

    def spread(count: int) -> Array:
        return rng.integers(-127, 128, (count, depth)).astype(np.int8)

    ends = (np.full((rows, depth), sign * 127, np.int8) for sign in (1, -1))
    return [
        (genmat(rows, depth, 7), genmat(channels, depth, 11)),
        (genmat(rows, depth, 127), genmat(channels, depth, 113)),
        (spread(rows), spread(channels)),
        *((one, np.full((channels, depth), 127, np.int8)) for one in ends),
        (spread(1), spread(channels)),  # after all rows: nothing of them is left
    ]


@pytest.mark.parametrize("name", SIZES)
def test_both_engines_equal_numpy(tmp_path: Path, name: str) -> None:
    loaded = library(tmp_path, name)
    for operand, weight in operands(name):
        assert_equal_to_numpy(loaded, operand, weight)


@pytest.mark.parametrize("name", ["ragged", "one"])
def test_both_engines_equal_numpy_at_their_widths(tmp_path: Path, name: str) -> None:
    if lack := missing("width_true"):
        pytest.skip(lack)
    loaded = library(tmp_path, name, "-DTRANSFAB_WIDTH_TRUE", f"-isystem{ap_int_headers()}")
    for operand, weight in operands(name):
        assert_equal_to_numpy(loaded, operand, weight)


def test_the_originals_matrices_prove_little() -> None:
    """Rows repeat after p, no sum is negative: ours all differ, half of them are negative."""
    weak = genmat(128, 768, 7)
    assert len(np.unique(weak, axis=0)) <= 7 and weak.min() == 0
    operand, weight = operands("original")[2]
    assert len(np.unique(operand, axis=0)) == len(operand)
    assert len(np.unique(weight, axis=0)) == len(weight)
    assert 0.4 < np.mean(operand.astype(int) @ weight.T.astype(int) < 0) < 0.6
