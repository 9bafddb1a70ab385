import pytest
from benches import run


@pytest.mark.parametrize(("outputs", "depth"), [(3, 4), (2, 1)])
def test_lengths_are_queued(outputs: int, depth: int) -> None:
    run("rows_fork", parameters={"Outputs": outputs, "Depth": depth})
