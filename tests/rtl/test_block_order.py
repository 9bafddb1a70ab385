import pytest
from benches import SHORT, run

# Tiles of less and of more than a block, blocks of more than a beat, one tile of all channels, one
# channel, a last tile whose lanes pass the last block.
SIZES = [(5, 7, 21), (9, 4, 26), (17, 20, 60), (40, 16, 30), (1, 1, 1), (16, 16, 33)]


@pytest.mark.parametrize(("pe", "block", "channels"), SIZES)
def test_tiles_become_blocks(pe: int, block: int, channels: int) -> None:
    given = {"Pe": pe, "Block": block, "Channels": channels}
    run("block_order", engine=SHORT, parameters=given)
