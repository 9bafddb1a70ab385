from benches import run


def test_reciprocal_is_the_floor_of_the_quotient() -> None:
    run("reciprocal")
