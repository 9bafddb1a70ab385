"""The emulated board behind PYNQ.remote's calls, without gRPC."""

from __future__ import annotations

import pytest
from remote_loopback import loopback

from transfab.host.ps_registers import PsRegisters
from transfab.host.remote.board import FIRMWARE, MANAGER, Board, BoardDescription
from transfab.host.remote.memory import PAGE, BufferTable


def loaded(image: bytes = b"image") -> Board:
    description = BoardDescription(memory_bytes=1 << 16)
    board = Board(description, loopback(description))
    board.write_file(FIRMWARE + "a.bin", image)
    board.write_file(MANAGER + "firmware", b"a.bin")
    return board


def test_buffers_never_overlap_and_their_pages_come_back() -> None:
    table = BufferTable(PAGE, 8 * PAGE)
    names = [table.allocate(PAGE + 1) for _ in range(4)]
    spans = sorted((each.address, each.end) for each in table.live)
    assert spans == [(PAGE * at, PAGE * (at + 2)) for at in (1, 3, 5, 7)]
    with pytest.raises(MemoryError, match="no room for a buffer of 1 bytes"):
        table.allocate(1)
    table.free(names[1])
    with pytest.raises(MemoryError, match="the largest gap is 8192"):
        table.allocate(2 * PAGE + 1)
    assert table.get(table.allocate(2 * PAGE)).address == 3 * PAGE
    with pytest.raises(ValueError, match="no buffer '2' on this board"):
        table.free(names[1])


def test_shadow_and_memory_meet_in_flush_and_invalidate_only() -> None:
    board = loaded()
    name = board.buffers.allocate(4)
    buffer = board.buffers.get(name)
    buffer.shadow[:] = b"abcd"
    assert bytes(board.fabric.read_memory(buffer.address, 4)) == bytes(4)
    board.flush(name)
    assert bytes(board.fabric.read_memory(buffer.address, 4)) == b"abcd"
    board.fabric.write_memory(buffer.address, b"wxyz")
    assert bytes(buffer.shadow) == b"abcd"
    board.invalidate(name)
    assert bytes(buffer.shadow) == b"wxyz"


def test_each_load_makes_a_fresh_fabric_and_keeps_live_buffers() -> None:
    board = loaded(b"one")
    kept, freed = (board.buffers.allocate(PAGE) for _ in range(2))
    for name in (kept, freed):
        board.buffers.get(name).shadow[:] = b"k" * PAGE
        board.flush(name)
    address = board.buffers.get(freed).address
    board.buffers.free(freed)
    first = board.fabric
    board.write_file(FIRMWARE + "b.bin", b"two")
    board.write_file(MANAGER + "firmware", b"b.bin")
    assert board.fabric is not first
    assert board.read(0xA000_0018) != first.read(0xA000_0018)
    assert bytes(board.fabric.read_memory(board.buffers.get(kept).address, PAGE)) == b"k" * PAGE
    assert bytes(board.fabric.read_memory(address, PAGE)) == bytes(PAGE)


def test_without_a_bitstream_nothing_of_the_fabric_answers() -> None:
    description = BoardDescription()
    board = Board(description, loopback(description))
    name = board.buffers.allocate(1)
    for act in (
        lambda: board.read(0xA000_0000),
        lambda: board.write(0xA000_0000, 0),
        lambda: board.flush(name),
    ):
        with pytest.raises(ValueError, match="no bitstream is loaded"):
            act()
    assert board.read(0xFF5E_00C0) == 0x0101_0F00  # the processing system's do


def test_a_bitstream_that_was_not_sent_or_is_partial_is_refused() -> None:
    board = loaded()
    with pytest.raises(FileNotFoundError, match=r"no file /lib/firmware/c\.bin on this board"):
        board.write_file(MANAGER + "firmware", b"c.bin")
    board.write_file(MANAGER + "flags", b"1")
    with pytest.raises(ValueError, match="only full bitstreams"):
        board.write_file(MANAGER + "firmware", b"a.bin")


@pytest.mark.parametrize("path", ["lib/x", "/lib/firmware/../x", "", "/lib/firmware/\0"])
def test_a_path_that_leaves_its_folder_is_refused(path: str) -> None:
    board = loaded()
    for act in (lambda: board.write_file(path, b""), lambda: board.read_file(path)):
        with pytest.raises(ValueError, match=r"absolute and without \.\."):
            act()


def test_ps_registers_keep_words_and_refuse_other_addresses() -> None:
    ps = PsRegisters("armv7l")
    ps.write(0xF800_0170, (1 << 40) + 5)
    assert ps.read(0xF800_0170) == 5
    assert 0x4000_0000 not in ps
    for address in (0xF800_0171, 0x4000_0000, 1 << 32):
        with pytest.raises(ValueError, match="is no register of the processing system"):
            ps.read(address)
    with pytest.raises(ValueError, match="architecture must be one of"):
        PsRegisters("x86_64")
