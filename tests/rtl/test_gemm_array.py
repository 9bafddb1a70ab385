import pytest
from benches import run
from stream_oracle import BUILDS

# Odd and even counts of rows, several rows a beat, a beat a row, the widest, one weight.
SIZES = [(5, 4, 0), (4, 64, 2), (1, 1, 0), (7, 32, 1)]


@pytest.mark.parametrize("packed", [0, 1])
@pytest.mark.parametrize(("pe", "simd", "build"), SIZES)
def test_sums_of_products(pe: int, simd: int, build: int, packed: int) -> None:
    one = BUILDS[build]
    given = {"Pe": pe, "Simd": simd, "Packed": packed}
    run("gemm_array", one.config(), one.engine, parameters=given)
