"""Emulated boards for tests: in this process or behind a server, one at a time or a session.

Nothing here imports pynq before it is called: it may be missing.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from driver_clock import Clock
from strategies import Case, random_case
from stream_oracle import BUILDS, Build

from transfab.host.board import Design
from transfab.host.boards import BoardFile, Region, board_named
from transfab.host.session import LayerSession, Passage
from transfab.quant.bert.layer import run_layer
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.packets import beats_of
from transfab.quant.contract.parameters import pack_parameters
from transfab.quant.contract.tops import TOPS, pack_activation
from transfab.quant.engine import Engine
from transfab.quant.intmath import Array
from transfab.quant.packet_check import check_packets

RunTop = Callable[[str, int, Sequence[Beats]], Beats]
MakeRun = Callable[[LayerConfig, Engine, str], RunTop]
ZCU104 = board_named("zcu104")
# First byte that buffers use.
FIRST = 0x1000_0000


def scrambled(config: LayerConfig, engine: Engine, top_name: str = "") -> RunTop:
    """A kernel whose output depends on every byte of every input: no compiler is needed."""

    def run(top: str, sequence: int, packets: Sequence[Beats]) -> Beats:
        digest = hashlib.shake_256(f"{top} {sequence}".encode())
        for packet in packets:
            digest.update(packet.tobytes())
        beats = beats_of(config, engine, TOPS[top].output, sequence)
        made = np.frombuffer(digest.digest(beats * engine.beat_bytes), np.uint8)
        return made.reshape(beats, -1)

    return run


@dataclass(frozen=True)
class Layer:
    """A layer on a batch, with all its tensors by the integer layer."""

    build: Build
    case: Case

    @property
    def config(self) -> LayerConfig:
        return self.build.config()

    @property
    def engine(self) -> Engine:
        return self.build.engine

    @property
    def sequence(self) -> int:
        return len(self.case.mask[0])

    def activations(self, top: str, index: int, tensors: Mapping[str, Array]) -> dict[str, Beats]:
        one = {name: tensor[index] for name, tensor in tensors.items()}
        names = (*TOPS[top].activations, TOPS[top].output)
        return {name: pack_activation(self.config, self.engine, name, one) for name in names}

    def parameters(self, top: str) -> dict[str, Beats]:
        params = self.case.parameters()
        return {
            f"{stage}_parameters": pack_parameters(self.config, self.engine, stage, params)
            for stage in TOPS[top].stages
        }


@cache
def layer_of(index: int, seed: int = 1, sequence: int = 5, batch: int = 3) -> Layer:
    return Layer(BUILDS[index], random_case(seed, "plain", BUILDS[index].shape, batch, sequence))


def tensors_of(layer: Layer) -> dict[str, Any]:
    return run_layer(layer.config, layer.case.parameters(), *layer.case.arrays())


def assert_exact(layer: Layer, session: LayerSession, passage: Passage) -> None:
    """Every packet byte by byte, packed here, and by `check_packets` as `transfab run` does."""
    tensors = tensors_of(layer)
    assert list(passage.packets) == [top for top, _ in session.boards]
    for top, made in passage.packets.items():
        assert len(made) == len(layer.case.mask)
        for index, packet in enumerate(made):
            expected = layer.activations(top, index, tensors)[TOPS[top].output]
            assert packet.shape == expected.shape
            assert packet.tobytes() == expected.tobytes(), (layer.case.name, top, index)
        count, found = check_packets(layer.config, layer.engine, "b", 0, top, tensors, made)
        assert (count > 0, found) == (True, ())


def small_board(bytes_: int) -> BoardFile:
    """A ZCU104 with so many bytes for buffers."""
    return replace(ZCU104, memories=(Region("DDR[0]", 0, FIRST + bytes_),))


def write_bitstream(folder: Path, layer: Layer, top: str, board: BoardFile = ZCU104) -> Path:
    """The file of a manifest of emulated bitstreams; the folder is made."""
    from transfab.host.bitstreams import resolve, write_emulated

    folder.mkdir(parents=True, exist_ok=True)
    write_emulated(folder, board, "layer", (top,), layer.config, layer.engine)
    return resolve(folder, board.name, top, layer.config, layer.engine)


def kernel_threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("kernel ")]


def no_kernel_threads(seconds: float = 30) -> bool:
    """Whether every kernel was told to end, and its thread does."""
    for thread in kernel_threads():
        # A thread that has ended meanwhile has no target.
        kernel = getattr(getattr(thread, "_target", None), "__self__", None)
        if kernel is not None and not kernel._closed:
            return False
        thread.join(seconds)
    return not kernel_threads()


def server_of(package: str, name: str, board: BoardFile, make_run: MakeRun, address: str) -> Any:
    """A server of an emulated board at an address, not yet started."""
    configured = importlib.import_module(f"{package}.fabric.configured")
    describes = importlib.import_module(f"{package}.remote.board").BoardDescription
    fabrics = configured.Fabrics(name, board, make_run)
    description = describes(name, fabrics.architecture, FIRST, fabrics.memory_bytes)
    server = importlib.import_module(f"{package}.remote.server")
    return server.RemoteBoard(description, fabrics, address)


@contextmanager
def served_here(make_run: MakeRun, address: str, board: BoardFile = ZCU104) -> Iterator[Any]:
    """The state of a board behind a server in this process; its fabrics end with it."""
    server = server_of("transfab.host", address, board, make_run, address)
    with server:
        try:
            yield server.board
        finally:
            server.board._make_fabric.close()


def free_address() -> str:
    from transfab.host.remote.server import free_address as found

    return found()


class Bench:
    """One emulated board and its driver.

    package  `transfab.host`, or a broken copy of it
    address  of a server in this process that the board is behind; None for a board without one
    clock    the driver's
    """

    def __init__(
        self,
        layer: Layer,
        folder: Path,
        make_run: MakeRun,
        package: str,
        board: BoardFile,
        address: str | None,
    ) -> None:
        self.layer, self.folder, self.board_file = layer, folder, board
        self.faults = importlib.import_module(f"{package}.fabric.faults").Faults
        self.error = importlib.import_module(f"{package}.board").BoardError
        driver = importlib.import_module(f"{package}.pynq_board")
        self.clock = Clock(lambda: [one for one in [self.fabrics.fabric] if one])
        self.server: Any = None
        if address is None:
            emulated = importlib.import_module(f"{package}.emulated")
            self.device = emulated.EmulatedDevice("bench", board, make_run)
            self.fabrics, self.state = self.device.fabrics, self.device.state
            self.board = driver.PynqBoard("bench", self.device, self.device.close)
            return
        self.server = server_of(package, "bench", board, make_run, address).__enter__()
        self.fabrics, self.state = self.server.board._make_fabric, self.server.board
        connect = importlib.import_module(f"{package}.remote.client").connect
        try:
            (self.device,) = connect([address])
        except BaseException:
            self.stop()
            raise
        self.board = driver.PynqBoard("bench", self.device)

    def stop(self) -> None:
        """End the server, if there is one."""
        if self.server is not None:
            self.server.__exit__(None, None, None)
            self.fabrics.close()
            self.server = None

    def load(self, top: str = "layer", **faults: Any) -> Bench:
        """A fresh bitstream, with faults from now on."""
        file = write_bitstream(self.folder / top, self.layer, top, self.board_file)
        self.fabrics.faults = self.faults(**faults)
        self.board.load(file, Design(top, self.layer.config, self.layer.engine))
        self.top = top
        return self

    def configure(self, layer: Layer | None = None) -> Bench:
        self.board.configure((layer or self.layer).parameters(self.top))
        return self

    def submit(self, index: int, tensors: Mapping[str, Array]) -> None:
        packets = self.layer.activations(self.top, index, tensors)
        given = {name: packets[name] for name in TOPS[self.top].activations}
        self.board.submit(tensors["mask"].shape[1], given)

    def run(self, index: int, tensors: Mapping[str, Array], seconds: float = 5) -> Beats:
        self.submit(index, tensors)
        made: Beats = self.board.wait(seconds)
        return made

    @property
    def live(self) -> int:
        """How many buffers the device has given out."""
        return len(self.state.buffers.live)


@contextmanager
def bench_of(
    layer: Layer,
    folder: Path,
    make_run: MakeRun = scrambled,
    package: str = "transfab.host",
    board: BoardFile = ZCU104,
    remote: bool = False,
) -> Iterator[Bench]:
    """A bench that is closed, whatever happens; pynq's state is its own.

    remote  behind a server in this process
    """
    defects = importlib.import_module(f"{package}.pynq_defects")
    import pynq.lib.dma  # noqa: F401 - binds the driver of axi_dma

    address = free_address() if remote else None
    # As a client must have it; pynq was imported without it for the sake of other tests.
    variables = {"PYNQ_REMOTE_DEVICES": address} if address else {}
    with defects.private_state(), patch.dict(os.environ, variables):
        made = Bench(layer, folder, make_run, package, board, address)
        driver = importlib.import_module(f"{package}.pynq_board")
        try:
            with patch.object(driver, "time", made.clock):
                yield made
        finally:
            try:
                made.board.close()
            finally:
                if remote:
                    made.device.client.close()
                made.stop()
