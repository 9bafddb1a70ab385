from benches import run


def test_context_of_every_row_sum_is_scaled_to_int8() -> None:
    run("context_requantize", parameters={"Lanes": 3})
