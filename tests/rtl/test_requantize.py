import pytest
from benches import run


@pytest.mark.parametrize(("lanes", "bits"), [(3, 8), (1, 16)])
def test_requantize_rounds_half_up_and_saturates(lanes: int, bits: int) -> None:
    run("requantize", parameters={"Lanes": lanes, "OutBits": bits})
