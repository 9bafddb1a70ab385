"""A board's server as a process: `main` is what a script with a fabric of its own calls."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from transfab.host.fabric.protocol import MakeFabric
from transfab.host.remote.board import BoardDescription


def main(arguments: Sequence[str], fabrics_of: Callable[[BoardDescription], MakeFabric]) -> int:
    """Serve until SIGTERM, SIGINT or, with --until-eof, the end of stdin: `ADDRESS JSON`.

    arguments   without the program's name
    fabrics_of  how to make the fabrics of a board of this description
    ->          exit status; `ready ADDRESS:PORT` is printed once clients may connect

    --until-eof ends the server with the process that holds its stdin, however that one ends.
    """
    parser = argparse.ArgumentParser(description="an emulated board for PYNQ.remote")
    parser.add_argument("address", help="loopback address of this board, such as 127.0.0.2")
    parser.add_argument("board", help="description of the board as a JSON object; {} will do")
    parser.add_argument("--until-eof", action="store_true", help="stop at the end of stdin")
    given = parser.parse_args(arguments)
    from transfab.host.remote.server import RemoteBoard

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        description = BoardDescription.from_json(given.board)
        with RemoteBoard(description, fabrics_of(description), given.address) as remote:
            print(f"ready {remote.target}", flush=True)
            if given.until_eof:
                threading.Thread(target=_wait_for_eof, args=(stop,), daemon=True).start()
            stop.wait()
    except (ValueError, OSError) as err:
        print(f"error: {err}", file=sys.stderr)
        return 1
    return 0


def _wait_for_eof(stop: threading.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    stop.set()
