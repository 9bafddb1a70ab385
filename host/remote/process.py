"""Servers of emulated boards until they are told to end, as `transfab serve` runs them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from transfab.host.boards import BoardFile
from transfab.host.fabric.configured import BUFFERS, Fabrics
from transfab.host.fabric.kernel import MakeRun
from transfab.host.remote.board import BoardDescription


def serve(
    addresses: Sequence[str], board: BoardFile, make_run: MakeRun, until_eof: bool = False
) -> None:
    """Serve a board at each address until SIGINT or, with `until_eof`, the end of stdin.

    addresses  loopback addresses, such as 127.0.0.2, each of one board
    make_run   what the kernels of loaded bitstreams compute

    Prints `ready ADDRESS:PORT` for each once all can be reached. Raises OSError for an address that
    cannot be had. `until_eof` ends the servers with the process that holds their stdin.
    """
    from transfab.host.remote.server import RemoteBoard

    stop = threading.Event()
    # The outer one is for who presses Ctrl-C again while servers end.
    with suppress(KeyboardInterrupt), ExitStack() as stack, suppress(KeyboardInterrupt):
        served = []
        for address in addresses:
            fabrics = Fabrics(address, board, make_run)
            stack.callback(fabrics.close)
            description = BoardDescription(
                board.name, fabrics.architecture, BUFFERS, fabrics.memory_bytes
            )
            served.append(stack.enter_context(RemoteBoard(description, fabrics, address)))
        for remote in served:
            print(f"ready {remote.target}", flush=True)
        if until_eof:
            threading.Thread(target=_wait_for_eof, args=(stop,), daemon=True).start()
        stop.wait()


def _wait_for_eof(stop: threading.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    stop.set()
