from benches import run


def test_root_is_the_floor_of_every_square_root() -> None:
    run("root")
