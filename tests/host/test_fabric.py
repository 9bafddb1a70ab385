"""DMA channels, kernel registers and streams of the emulated fabric, register by register.

Offsets and bits are written out here: of AMD's PG021 (simple mode) and docs/stage_contract.md.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from emulated_boards import FIRST, layer_of, no_kernel_threads, scrambled

from transfab.host.fabric.dma import Channel
from transfab.host.fabric.faults import Faults
from transfab.host.fabric.memory import Memory
from transfab.host.fabric.streams import Stream
from transfab.host.fabric.zynq import ZynqFabric
from transfab.quant.contract.beats import Beats
from transfab.quant.engine import build_hash

CONTROL, STATUS, ADDRESS, HIGH, LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
RUN, RESET = 1, 4
HALTED, IDLE, INTERNAL, DECODE, COMPLETE = 1, 2, 1 << 4, 1 << 6, 1 << 12
WIDTH, SIZE = 16, 1 << 16
HIGH_BASE = 0x5_0000_0000


def packet_of(beats: int, seed: int = 0) -> Beats:
    return np.random.default_rng(seed).integers(0, 256, (beats, WIDTH)).astype(np.uint8)


class Engine:
    """A channel with its registers from 0 on, its stream and its memory."""

    def __init__(self, receives: bool, base: int = FIRST, bits: int = 14) -> None:
        self.memory, self.stream, self.taken = Memory(base, SIZE), Stream(WIDTH), 0
        self.offset = 0x30 if receives else 0
        self.channel = Channel(self.memory, self.stream, receives, bits, self.count)

    def count(self) -> None:
        self.taken += 1

    def read(self, offset: int) -> int:
        return self.channel.read(self.offset + offset)

    def write(self, offset: int, value: int) -> None:
        self.channel.write(self.offset + offset, value)

    def begin(self, address: int, length: int) -> None:
        self.write(ADDRESS, address & 0xFFFF_FFFF)
        self.write(HIGH, address >> 32)
        self.write(LENGTH, length)

    @property
    def status(self) -> int:
        return self.read(STATUS)


each_way = pytest.mark.parametrize("receives", [False, True])


@each_way
def test_a_channel_is_halted_until_it_runs(receives: bool) -> None:
    engine = Engine(receives)
    assert (engine.read(CONTROL), engine.status) == (0, HALTED)
    engine.stream.send(packet_of(1))
    # A length that is written to a halted channel starts nothing.
    engine.begin(FIRST, WIDTH)
    assert engine.status == HALTED
    assert engine.stream.beats == 1
    engine.write(CONTROL, RUN)
    assert (engine.read(CONTROL), engine.status) == (RUN, 0)
    engine.write(CONTROL, 0)
    assert engine.status & HALTED


@each_way
def test_registers_of_the_other_channel_are_none_of_this_one(receives: bool) -> None:
    engine = Engine(receives)
    engine.channel.write((0 if receives else 0x30) + CONTROL, RUN)
    assert engine.status == HALTED
    assert engine.channel.read((0 if receives else 0x30) + STATUS) == 0
    engine.write(CONTROL, RUN)
    for offset in (0x08, 0x0C, 0x10, 0x14, 0x20, 0x24, 0x2C):
        engine.write(offset, 0xFFFF_FFFF)
        assert engine.read(offset) == 0
    assert engine.status == 0


def taken(stream: Stream, beats: int) -> Beats:
    """What a kernel reads."""
    found = stream.read(beats)
    stream.drop(beats)
    return found


def test_a_send_is_idle_once_the_stream_took_it() -> None:
    engine, packet = Engine(False), packet_of(5)
    engine.memory.write(FIRST + 64, packet.tobytes())
    engine.write(CONTROL, RUN)
    engine.begin(FIRST + 64, packet.nbytes)
    assert engine.status == 0
    assert engine.read(LENGTH) == packet.nbytes
    assert taken(engine.stream, 4).tobytes() == packet[:4].tobytes()
    engine.channel.look()
    assert engine.status == 0
    taken(engine.stream, 1)
    engine.channel.look()
    assert engine.status == IDLE | COMPLETE
    # Its interrupt is cleared by writing one; idle stays.
    engine.write(STATUS, IDLE)
    assert engine.status == IDLE | COMPLETE
    engine.write(STATUS, COMPLETE)
    assert engine.status == IDLE
    assert engine.taken == 0


def test_a_send_of_a_part_of_a_beat_is_padded_with_zeros() -> None:
    engine = Engine(False)
    engine.memory.write(FIRST, b"\xff" * 64)
    engine.write(CONTROL, RUN)
    engine.begin(FIRST, WIDTH + 3)
    assert taken(engine.stream, 2).tobytes() == b"\xff" * (WIDTH + 3) + bytes(WIDTH - 3)


def test_a_receive_waits_for_its_packet_and_counts_what_came() -> None:
    engine, packet = Engine(True), packet_of(3)
    engine.memory.write(FIRST, b"\xee" * 128)
    engine.write(CONTROL, RUN)
    engine.begin(FIRST + 16, 100)
    assert engine.status == 0
    engine.stream.send(packet)
    engine.channel.look()
    # Shorter than the length: the register says how many bytes there are, and no others changed.
    assert engine.status == IDLE | COMPLETE
    assert engine.read(LENGTH) == 48
    written = bytes(engine.memory.read(FIRST, 128))
    assert written == b"\xee" * 16 + packet.tobytes() + b"\xee" * 64
    assert engine.taken == 1


def test_a_packet_that_waits_is_received_at_once_and_only_it() -> None:
    engine, first, second = Engine(True), packet_of(2, 1), packet_of(2, 2)
    engine.stream.send(first)
    engine.stream.send(second)
    engine.write(CONTROL, RUN)
    for packet, address in ((first, FIRST), (second, FIRST + 256)):
        engine.begin(address, packet.nbytes)
        assert engine.status & IDLE
        assert bytes(engine.memory.read(address, packet.nbytes)) == packet.tobytes()
    assert engine.stream.beats == 0


def test_the_high_half_of_an_address_counts() -> None:
    engine, packet = Engine(True, HIGH_BASE), packet_of(1)
    engine.stream.send(packet)
    engine.write(CONTROL, RUN)
    engine.begin(HIGH_BASE + 32, WIDTH)
    assert engine.read(ADDRESS) == 32
    assert engine.read(HIGH) == 5
    assert bytes(engine.memory.read(HIGH_BASE + 32, WIDTH)) == packet.tobytes()
    engine = Engine(True, HIGH_BASE)
    engine.write(CONTROL, RUN)
    engine.begin(32, WIDTH)
    assert engine.status == DECODE | HALTED


@each_way
@pytest.mark.parametrize(
    ("address", "length", "error"),
    [
        (FIRST, 0, INTERNAL),
        (FIRST - WIDTH, WIDTH, DECODE),
        (FIRST + SIZE, WIDTH, DECODE),
        (FIRST + SIZE - WIDTH, WIDTH + 1, DECODE),
        # 14 bits of length: the rest is cut off.
        (FIRST, 1 << 14, INTERNAL),
    ],
)
def test_an_error_halts_until_a_reset(
    receives: bool, address: int, length: int, error: int
) -> None:
    engine = Engine(receives)
    engine.stream.send(packet_of(1))
    engine.write(CONTROL, RUN)
    engine.begin(address, length)
    assert engine.status == error | HALTED
    # Neither running again nor another length, nor clearing interrupts, ends it.
    engine.write(CONTROL, RUN)
    engine.write(STATUS, 0xFFFF_FFFF)
    engine.begin(FIRST, WIDTH)
    assert engine.status == error | HALTED
    assert engine.stream.beats == 1
    engine.write(CONTROL, RESET)
    assert (engine.read(CONTROL), engine.status, engine.read(LENGTH)) == (0, HALTED, 0)
    engine.write(CONTROL, RUN)
    assert engine.status == 0
    engine.begin(FIRST, WIDTH)
    assert engine.status in (0, IDLE | COMPLETE)
    assert engine.stream.beats == (0 if receives else 2)


def test_the_last_byte_of_memory_is_in_reach() -> None:
    engine = Engine(False)
    engine.write(CONTROL, RUN)
    engine.begin(FIRST + SIZE - WIDTH, WIDTH)
    assert engine.stream.beats == 1


def test_a_packet_longer_than_the_length_is_an_internal_error() -> None:
    engine = Engine(True)
    engine.write(CONTROL, RUN)
    engine.begin(FIRST, 2 * WIDTH)
    engine.stream.send(packet_of(3))
    engine.channel.look()
    assert engine.status == INTERNAL | HALTED
    assert not any(engine.memory.read(FIRST, 3 * WIDTH))
    assert engine.taken == 0


def test_a_reset_ends_a_transfer() -> None:
    engine = Engine(True)
    engine.write(CONTROL, RUN)
    engine.begin(FIRST, WIDTH)
    engine.write(CONTROL, RESET)
    engine.stream.send(packet_of(1))
    engine.channel.look()
    assert engine.status == HALTED
    assert not any(engine.memory.read(FIRST, WIDTH))


def test_beats_are_taken_over_the_ends_of_packets() -> None:
    stream, packets = Stream(WIDTH), [packet_of(beats, beats) for beats in (3, 1, 4)]
    whole = np.concatenate(packets)
    for packet in packets:
        stream.send(packet)
    assert stream.beats == 8
    parts = [taken(stream, beats) for beats in (2, 1, 4)]
    assert [part.tobytes() for part in parts] == [
        whole[:2].tobytes(), whole[2:3].tobytes(), whole[3:7].tobytes()
    ]  # fmt: skip
    assert stream.beats == 1
    rest = stream.packet()
    assert rest is not None
    assert rest.tobytes() == whole[7:].tobytes()
    assert (stream.packet(), stream.beats) == (None, 0)


def test_memory_reads_zero_and_refuses_what_is_outside() -> None:
    memory = Memory(FIRST, 1 << 40)  # takes no memory of this machine until it is written
    assert bytes(memory.read(FIRST + (1 << 39), 4)) == bytes(4)
    for address, size in ((FIRST - 1, 1), (FIRST + (1 << 40), 1), (FIRST + (1 << 40) - 1, 2)):
        with pytest.raises(ValueError, match=rf"^{size} bytes at {address:#x} are not all in"):
            memory.read(address, size)
        with pytest.raises(ValueError, match="are not all in the memory at 0x10000000"):
            memory.write(address, bytes(size))


# The kernel: stage 1 of a build, at 0xA0000000; its engines are at +0x20000, +0x30000, +0x40000.
KERNEL, HIDDEN, PARAMETERS, OUTPUT = 0xA000_0000, 0xA002_0000, 0xA003_0000, 0xA004_0000
START, DONE, KERNEL_IDLE, READY, CONTINUE = 1, 2, 4, 8, 16
LAYER = layer_of(4)


class Board:
    """A fabric of one stage, with packets in memory."""

    def __init__(self) -> None:
        self.gate, self.calls = threading.Event(), list[int]()
        self.gate.set()
        run = scrambled(LAYER.config, LAYER.engine)

        def gated(top: str, sequence: int, packets: list[Beats]) -> Beats:
            self.calls.append(sequence)
            assert self.gate.wait(5)
            self.inputs = packets
            return run(top, sequence, packets)

        self.run = run
        self.fabric = ZynqFabric(
            LAYER.config, LAYER.engine, "qkv", "zynq_ultra_ps_e", Memory(FIRST, 1 << 20), gated
        )
        self.weights = LAYER.parameters("qkv")["qkv_parameters"]
        self.fabric.write_memory(FIRST + 0x8_0000, self.weights.tobytes())
        for offset in (HIDDEN, PARAMETERS, OUTPUT + 0x30):
            self.fabric.write(offset, RUN)

    def move(self, engine: int, address: int, size: int) -> None:
        self.fabric.write(engine + ADDRESS, address)
        self.fabric.write(engine + LENGTH, size)

    def start(self, sequence: int) -> None:
        self.fabric.write(KERNEL + 0x10, sequence)
        self.fabric.write(KERNEL, START)

    def send(self, sequence: int, seed: int) -> Beats:
        """Everything of a run but start and receive; what its output must be."""
        hidden = packet_of(hidden_beats(sequence), seed)
        self.fabric.write_memory(FIRST, hidden.tobytes())
        self.move(HIDDEN, FIRST, hidden.nbytes)
        self.move(PARAMETERS, FIRST + 0x8_0000, self.weights.nbytes)
        return self.run("qkv", sequence, [hidden, self.weights])

    def receive(self, size: int) -> bytes:
        self.move(OUTPUT + 0x30, FIRST + 0x4_0000, size)
        self.until(OUTPUT + 0x30 + STATUS, IDLE)
        return bytes(self.fabric.read_memory(FIRST + 0x4_0000, size))

    def until(self, address: int, bits: int) -> None:
        end = time.monotonic() + 30
        while not self.fabric.read(address) & bits:
            assert time.monotonic() < end, f"{self.fabric.read(address):#x} at {address:#x}"


def hidden_beats(sequence: int) -> int:
    # A mask of one beat for up to 16 tokens, and rows of 16 int16.
    return 1 + 2 * sequence


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board()
    yield made
    made.gate.set()
    made.fabric.close()
    assert no_kernel_threads()


def test_registers_of_a_kernel_at_rest(board: Board) -> None:
    read = board.fabric.read
    assert read(KERNEL) == KERNEL_IDLE
    words = f"{read(KERNEL + 0x1C):08x}{read(KERNEL + 0x18):08x}"
    assert words == build_hash(LAYER.config, LAYER.engine)
    board.fabric.write(KERNEL + 0x18, 7)
    board.fabric.write(KERNEL + 0x10, 0x1_0005)
    assert read(KERNEL + 0x10) == 5
    assert f"{read(KERNEL + 0x1C):08x}{read(KERNEL + 0x18):08x}" == words
    # Reserved, the interrupt controller, and where nothing is.
    for address in (KERNEL + 0x14, KERNEL + 0x20, KERNEL + 0x1_0000, KERNEL + 0x5_0000, 0x4000):
        board.fabric.write(address, 0xFFFF_FFFF)
        assert read(address) == 0


def test_a_run_of_a_kernel_from_start_to_continue(board: Board) -> None:
    board.gate.clear()
    board.start(3)
    # A start is taken, once for each read; it is not idle and not done.
    assert board.fabric.read(KERNEL) == READY
    assert board.fabric.read(KERNEL) == 0
    expected = board.send(3, seed=1)
    # What an engine sends may be overwritten when it is idle: not while the kernel reads it.
    time.sleep(0.02)
    assert board.calls == [3] and board.fabric.read(KERNEL) == 0
    assert [board.fabric.read(one + STATUS) for one in (HIDDEN, PARAMETERS)] == [0, 0]
    board.gate.set()
    board.until(HIDDEN + STATUS, IDLE)
    board.until(PARAMETERS + STATUS, IDLE)
    assert board.receive(expected.nbytes) == expected.tobytes()
    assert board.fabric.read(OUTPUT + 0x30 + LENGTH) == expected.nbytes
    assert [board.fabric.read(KERNEL) for _ in range(2)] == [DONE | KERNEL_IDLE] * 2
    board.fabric.write(KERNEL, CONTINUE)
    assert board.fabric.read(KERNEL) == KERNEL_IDLE
    board.fabric.write(KERNEL, CONTINUE)
    assert board.fabric.read(KERNEL) == KERNEL_IDLE
    assert board.calls == [3]


def test_done_lasts_until_each_run_was_continued(board: Board) -> None:
    for seed in (1, 2):
        board.start(2 + seed)
        expected = board.send(2 + seed, seed)
        assert board.receive(expected.nbytes) == expected.tobytes()
    assert board.fabric.read(KERNEL) & DONE
    board.fabric.write(KERNEL, CONTINUE)
    assert board.fabric.read(KERNEL) & DONE
    board.fabric.write(KERNEL, CONTINUE)
    assert not board.fabric.read(KERNEL) & DONE


def test_a_kernel_does_nothing_before_its_start_or_its_last_beat(board: Board) -> None:
    expected = board.send(3, seed=1)
    time.sleep(0.02)
    assert (board.calls, board.fabric.read(KERNEL)) == ([], KERNEL_IDLE)
    # The sequence counts that is there at the start.
    board.start(4)
    board.fabric.write(KERNEL + 0x10, 3)
    time.sleep(0.02)
    assert (board.calls, board.fabric.read(KERNEL) & KERNEL_IDLE) == ([], 0)
    rest = packet_of(hidden_beats(4) - hidden_beats(3), 9)
    board.fabric.write_memory(FIRST + 0x2000, rest.tobytes())
    board.move(HIDDEN, FIRST + 0x2000, rest.nbytes)
    hidden = np.concatenate([packet_of(hidden_beats(3), 1), rest])
    expected = board.run("qkv", 4, [hidden, board.weights])
    assert board.receive(expected.nbytes) == expected.tobytes()


@pytest.mark.parametrize("sequence", [0, LAYER.engine.sequence + 1])
def test_a_start_with_a_length_out_of_range_never_finishes(board: Board, sequence: int) -> None:
    board.start(sequence)
    board.send(3, seed=1)
    time.sleep(0.02)
    assert board.fabric.read(KERNEL) & (KERNEL_IDLE | DONE) == 0
    assert board.calls == []
    assert board.fabric.kernel._thread.is_alive()


def test_a_kernel_that_fails_is_silent(board: Board) -> None:
    def failing(top: str, sequence: int, packets: list[Beats]) -> Beats:
        raise RuntimeError("stream read while it is empty")

    board.fabric.kernel._run = failing
    board.start(3)
    board.send(3, seed=1)
    board.until(PARAMETERS + STATUS, IDLE)
    end = time.monotonic() + 30
    while board.fabric.kernel.failure is None and time.monotonic() < end:
        time.sleep(0.001)
    assert board.fabric.kernel.failure == "stream read while it is empty"
    assert board.fabric.read(KERNEL) & (KERNEL_IDLE | DONE) == 0


def test_a_kernel_that_hangs_takes_its_start_and_nothing_else(board: Board) -> None:
    board.fabric.set_faults(Faults(hang=True))
    board.start(3)
    expected = board.send(3, seed=1)
    time.sleep(0.02)
    assert (board.calls, board.fabric.read(KERNEL) & KERNEL_IDLE) == ([], 0)
    # A cured one goes on.
    board.fabric.set_faults(Faults())
    assert board.receive(expected.nbytes) == expected.tobytes()


def test_a_closed_fabric_has_no_thread(board: Board) -> None:
    thread = board.fabric.kernel._thread
    assert thread.is_alive()
    board.fabric.close()
    thread.join(2)
    assert not thread.is_alive()
