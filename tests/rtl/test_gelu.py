from benches import run


def test_gelu_of_every_int16() -> None:
    run("gelu", parameters={"Lanes": 7})
