import pytest
from benches import run


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_every_output_gets_every_element(outputs: int) -> None:
    run("stream_fork", parameters={"Outputs": outputs})
