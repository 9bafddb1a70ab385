"""What a host's process does with emulated boards: one scene, in a process of its own.

XRT is loaded once a process. A scene prints one JSON object on its last line; bytes go to files.
`python xrt_session.py SCENE FOLDER` with the environment of `emulation.environment`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from transfab.host.xrt import library, pyxrt

TO, FROM = pyxrt.xclBOSyncDirection
SIZE = 98_304
FOLDER = Path(sys.argv[2])
Result = dict[str, object]


def add(board: pyxrt.device, name: str, addend: int, limit_ms: int = 5000) -> None:
    """Load, allocate, send `name`.in, add to each byte, fetch `name`.out. Closes the board."""
    try:
        loaded = board.load_xclbin(str(FOLDER / "adder.xclbin"))
        kernel = pyxrt.kernel(board, loaded, "adder")
        data = (FOLDER / f"{name}.in").read_bytes()
        source = pyxrt.bo(board, len(data), pyxrt.bo.normal, kernel.group_id(0))
        target = pyxrt.bo(board, len(data), pyxrt.bo.normal, kernel.group_id(2))
        source.write(data, 0)
        source.sync(TO)
        run = kernel(source, len(data), target, addend)
        if (state := run.wait(limit_ms)) != pyxrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED:
            raise TimeoutError(f"the run is {state.name}")
        target.sync(FROM)
        (FOLDER / f"{name}.out").write_bytes(target.read(len(data), 0).tobytes())
    finally:
        board.close()


def failure(work: Callable[[], object]) -> Result:
    """The error's text and how long it took."""
    began = time.monotonic()
    try:
        work()
    except (RuntimeError, ValueError, TimeoutError) as err:
        return {"error": str(err), "seconds": time.monotonic() - began}
    return {"error": "", "seconds": time.monotonic() - began}


def mend() -> None:
    """From now on a new device process gets a fabric that behaves."""
    path = Path(os.environ["TRANSFAB_XRT_DESCRIPTION"])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"what": []}))


def bytes_() -> Result:
    """Every board of the emulation is open and loaded while each of them adds."""
    count = len(list(FOLDER.glob("*.in")))
    boards = [pyxrt.device(index) for index in range(count)]
    for board in boards:
        board.load_xclbin(str(FOLDER / "adder.xclbin"))
    processes = [library.process(index) for index in range(count)]
    workers = [
        threading.Thread(target=add, args=(board, str(index), 7 + index))
        for index, board in enumerate(boards)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {"processes": processes}


def misbehaves() -> Result:
    """Board 0 misbehaves as its fabric is told; board 1 works, and then board 0 again."""
    pyxrt.device(0).close()
    library.seconds_to_answer(1.0)
    found = failure(lambda: add(pyxrt.device(0), "0", 7, limit_ms=300))
    add(pyxrt.device(1), "1", 8)
    mend()
    add(pyxrt.device(0), "0", 7)
    return found


def killed() -> Result:
    """The process of board 0 is killed while it transfers."""

    def kill() -> None:
        while not library.process(0):
            time.sleep(0.01)
        time.sleep(0.5)
        os.kill(library.process(0), 9)

    board = pyxrt.device(0)
    killer = threading.Thread(target=kill)
    killer.start()
    found = failure(lambda: add(board, "0", 7))
    killer.join()
    add(pyxrt.device(1), "1", 8)
    mend()
    add(pyxrt.device(0), "0", 7)
    return found


def beyond() -> Result:
    """A buffer of more than the board's memory, then others."""
    board = pyxrt.device(0)
    board.load_xclbin(str(FOLDER / "adder.xclbin"))
    found = failure(lambda: pyxrt.bo(board, 1 << 30, pyxrt.bo.normal, 0))
    no_bank = failure(lambda: pyxrt.bo(board, 4096, pyxrt.bo.normal, 5))
    add(board, "0", 7)
    return found | {"no bank": no_bank["error"]}


def corrupted() -> Result:
    board = pyxrt.device(0)
    found = failure(lambda: board.load_xclbin(str(FOLDER / "corrupted.xclbin")))
    add(board, "0", 7)
    return found


def registers() -> Result:
    """What a kernel opened alone may read and write, a copy on the board, and the host's map."""
    board = pyxrt.device(1)
    loaded = board.load_xclbin(str(FOLDER / "adder.xclbin"))
    alone = pyxrt.kernel(board, loaded, "adder", pyxrt.kernel.exclusive)
    identity = alone.read_register(0x40)
    alone.write_register(0x30, 5)
    written = alone.read_register(0x30)
    data = (FOLDER / "0.in").read_bytes()
    source = pyxrt.bo(board, len(data), pyxrt.bo.normal, alone.group_id(0))
    target = pyxrt.bo(board, len(data), pyxrt.bo.normal, alone.group_id(2))
    source.map()[:] = data
    source.sync(TO, len(data) - 64, 64)  # the first 64 bytes stay zero on the board
    target.copy(source)
    target.sync(FROM)
    (FOLDER / "0.out").write_bytes(bytes(target.map()))
    no_pointer = failure(lambda: alone.group_id(1))["error"]
    addresses = [source.address(), target.address()]
    board.close()
    again = pyxrt.device("1")
    shared = pyxrt.kernel(again, again.load_xclbin(str(FOLDER / "adder.xclbin")), "adder")
    refused = failure(lambda: shared.read_register(0x40))["error"]
    unknown = failure(lambda: pyxrt.kernel(again, loaded, "nothing"))["error"]
    again.close()
    return {
        "identity": identity,
        "written": written,
        "addresses": addresses,
        "errors": [no_pointer, refused, unknown, failure(lambda: pyxrt.device(7))["error"]],
        "closed": failure(lambda: source.sync(TO))["error"],
    }


def twice() -> Result:
    """Another xclbin on an open board, in a process with a child that has ended and waits."""
    board = pyxrt.device(0)
    child = subprocess.Popen(["sh", "-c", "exit 3"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    first = board.load_xclbin(str(FOLDER / "other.xclbin"))
    second = board.load_xclbin(str(FOLDER / "adder.xclbin"))
    uuids = [first.to_string(), second.to_string(), board.get_xclbin_uuid().to_string()]
    add(board, "0", 7)
    return {"uuids": uuids, "child": child.wait()}


def many() -> Result:
    """The mappings of this process after a thousand small buffers, which are freed again."""
    board = pyxrt.device(0)
    board.load_xclbin(str(FOLDER / "adder.xclbin"))
    for _ in range(250):
        buffers = [pyxrt.bo(board, size, pyxrt.bo.normal, 0) for size in (64, 4096, 5000, 20000)]
        for buffer in buffers:
            buffer.map()[:4] = b"data"
        del buffers, buffer
    board.close()
    return {"mappings": len(Path("/proc/self/maps").read_text().splitlines())}


def waits() -> Result:
    """Holds two boards for longer than its test lasts."""
    boards = [pyxrt.device(index) for index in range(2)]
    for board in boards:
        board.load_xclbin(str(FOLDER / "adder.xclbin"))
    print(library.process(0), library.process(1), flush=True)
    time.sleep(600)
    return {}


def times() -> Result:
    """Seconds of a round trip: write, sync there, run, wait, sync back, read."""
    board = pyxrt.device(0)
    loaded = board.load_xclbin(str(FOLDER / "adder.xclbin"))
    kernel = pyxrt.kernel(board, loaded, "adder")
    source = pyxrt.bo(board, SIZE, pyxrt.bo.normal, kernel.group_id(0))
    target = pyxrt.bo(board, SIZE, pyxrt.bo.normal, kernel.group_id(2))
    run = pyxrt.run(kernel)
    for index, argument in enumerate((source, SIZE, target, 7)):
        run.set_arg(index, argument)
    data = np.random.default_rng(0).integers(0, 256, SIZE, np.uint8)
    seconds = []
    for _ in range(300):
        began = time.perf_counter()
        source.write(data, 0)
        source.sync(TO)
        run.start()
        run.wait(1000)
        target.sync(FROM)
        result = target.read(SIZE, 0)
        seconds.append(time.perf_counter() - began)
    equal = result.tobytes() == (data + np.uint8(7)).tobytes()
    del run, source, target, kernel
    board.close()
    return {"equal": equal, "median": float(np.median(seconds)), "least": min(seconds)}


SCENES: dict[str, Callable[[], Result]] = {
    "bytes": bytes_,
    "misbehaves": misbehaves,
    "killed": killed,
    "beyond": beyond,
    "corrupted": corrupted,
    "registers": registers,
    "twice": twice,
    "many": many,
    "waits": waits,
    "times": times,
}

if __name__ == "__main__":
    print(json.dumps(SCENES[sys.argv[1]]()))
