from benches import run


def test_registers_of_a_top() -> None:
    run("control")
