"""XRT's C interface (libxrt_coreutil), loaded by ctypes from the folder that XILINX_XRT names."""

from __future__ import annotations

import ctypes
import os
import shutil
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from transfab.host.xrt.pyxrt_names import UNFINISHED

CLOSE_SECONDS, CLOSE_PAUSE = 5.0, 1e-3
HANDLE: Final = ctypes.c_void_p
INT, UINT, SIZE, INT64 = ctypes.c_int, ctypes.c_uint32, ctypes.c_size_t, ctypes.c_uint64
# Function: what it returns, what it takes. What follows in a call of xrtRunSetArg is not declared.
SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "xrtDeviceOpen": (HANDLE, (ctypes.c_uint,)),
    "xrtDeviceOpenByBDF": (HANDLE, (ctypes.c_char_p,)),
    "xrtDeviceClose": (INT, (HANDLE,)),
    "xrtDeviceLoadXclbinFile": (INT, (HANDLE, ctypes.c_char_p)),
    "xrtDeviceGetXclbinUUID": (INT, (HANDLE, ctypes.c_char_p)),
    "xrtBOAlloc": (HANDLE, (HANDLE, SIZE, INT64, UINT)),
    "xrtBOFree": (INT, (HANDLE,)),
    "xrtBOSize": (SIZE, (HANDLE,)),
    "xrtBOAddress": (INT64, (HANDLE,)),
    "xrtBOSync": (INT, (HANDLE, INT, SIZE, SIZE)),
    "xrtBOMap": (ctypes.c_void_p, (HANDLE,)),
    "xrtBOWrite": (INT, (HANDLE, ctypes.c_void_p, SIZE, SIZE)),
    "xrtBORead": (INT, (HANDLE, ctypes.c_void_p, SIZE, SIZE)),
    "xrtBOExport": (INT, (HANDLE,)),
    "xrtBOImport": (HANDLE, (HANDLE, INT)),
    "xrtBOCopy": (INT, (HANDLE, HANDLE, SIZE, SIZE, SIZE)),
    "xrtPLKernelOpen": (HANDLE, (HANDLE, ctypes.c_char_p, ctypes.c_char_p)),
    "xrtPLKernelOpenExclusive": (HANDLE, (HANDLE, ctypes.c_char_p, ctypes.c_char_p)),
    "xrtKernelClose": (INT, (HANDLE,)),
    "xrtKernelArgGroupId": (INT, (HANDLE, INT)),
    "xrtKernelReadRegister": (INT, (HANDLE, UINT, ctypes.POINTER(ctypes.c_uint32))),
    "xrtKernelWriteRegister": (INT, (HANDLE, UINT, UINT)),
    "xrtRunOpen": (HANDLE, (HANDLE,)),
    "xrtRunSetArg": (INT, (HANDLE, INT)),
    "xrtRunStart": (INT, (HANDLE,)),
    "xrtRunWait": (INT, (HANDLE,)),
    "xrtRunState": (INT, (HANDLE,)),
    "xrtRunClose": (INT, (HANDLE,)),
}
EMULATION: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {  # swemu.cpp
    "TransfabLost": (INT, (INT,)),
    "TransfabProcess": (INT, (INT,)),
    "TransfabEnd": (None, (INT,)),
    "TransfabSecondsToAnswer": (None, (ctypes.c_double,)),
}


class XrtError(RuntimeError):
    """A call of XRT that failed: one line that says on what."""


@cache
def _libraries() -> tuple[ctypes.CDLL, ctypes.CDLL | None]:
    root = os.environ.get("XILINX_XRT", "")
    path = Path(root, "lib", "libxrt_coreutil.so.2")
    if not root or not path.exists():
        raise XrtError(
            f"XILINX_XRT is {root!r}, which has no lib/libxrt_coreutil.so.2 "
            "(source XRT's setup.sh, or: python -m transfab.host.xrt.install)"
        )
    try:
        emulated = os.environ.get("XCL_EMULATION_MODE") == "sw_emu"
        core = _declared(ctypes.CDLL(str(path)), SIGNATURES)
        if not emulated:
            return core, None
        shim = ctypes.CDLL(str(path.with_name("libxrt_swemu.so.2")))
        return core, _declared(shim, EMULATION)
    except (OSError, AttributeError) as err:
        raise XrtError(f"{root} has an XRT that does not load: {err}") from err


def _declared(library: ctypes.CDLL, functions: dict[str, tuple[Any, tuple[Any, ...]]]) -> Any:
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def call(name: str) -> Callable[..., Any]:
    """A function of SIGNATURES. Raises XrtError where there is no XRT."""
    function: Callable[..., Any] = getattr(_libraries()[0], name)
    return function


def emulated() -> bool:
    """Whether the boards are XRT's software emulation."""
    return _libraries()[1] is not None


def there(index: int) -> bool:
    """Whether there may be such a board: the shim would make one up for any index."""
    boards = os.environ.get("TRANSFAB_XRT_BOARDS")
    return index >= 0 and (boards is None or not emulated() or index < int(boards))


def lost(index: int) -> str | None:
    """Why an emulated device answers no more, else None. Always None on a board."""
    shim = _libraries()[1]
    if shim is None or not (why := shim.TransfabLost(index)):
        return None
    if why == 2:
        return f"device {index} did not answer in time, and its process was ended"
    reason = Path(os.environ.get("TRANSFAB_XRT_ERRORS", "."), f"device{index}.txt")
    try:
        said = reason.read_text(encoding="utf-8")
    except OSError:
        return f"the process of device {index} has ended"
    return f"the process of device {index} has ended: {said}"


def reason() -> str:
    """What XRT said of the call that has just failed; on a board it says so on the console."""
    if (log := os.environ.get("TRANSFAB_XRT_LOG")) is None:
        return "see XRT's message"
    try:
        lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"no reason in {log}"
    errors = [line.partition("ERROR: ")[2] for line in lines if "ERROR: " in line]
    Path(log).write_bytes(b"")  # XRT appends
    return f"XRT: {errors[-1]}" if errors else f"no reason in {log}"


def forget(index: int) -> None:
    """What an earlier process of that device said when it ended."""
    if folder := os.environ.get("TRANSFAB_XRT_ERRORS"):
        Path(folder, f"device{index}.txt").unlink(missing_ok=True)


def close_device(handle: int, index: int | None) -> None:
    """Close a device and remove the copies of xclbins that the shim leaves of an emulated one."""
    call("xrtDeviceClose")(handle)
    folder = os.environ.get("SDACCEL_EM_RUN_DIR")
    if folder and index is not None and emulated():
        files = Path(folder, ".run", str(os.getpid()), "sw_emu", f"device{index}")
        shutil.rmtree(files, ignore_errors=True)


def close_run(handle: int, started: list[bool], index: int | None) -> None:
    """Close a run. XRT's thread polls for one that has not finished for ever: an emulated device's
    process is ended for that.
    """
    limit = time.monotonic() + CLOSE_SECONDS
    while started and call("xrtRunState")(handle) in UNFINISHED and time.monotonic() < limit:
        if index is not None:
            end(index)
        time.sleep(CLOSE_PAUSE)
    call("xrtRunClose")(handle)


def process(index: int) -> int:
    """Process id of an emulated device, 0 without one."""
    shim = _libraries()[1]
    return int(shim.TransfabProcess(index)) if shim is not None else 0


def end(index: int) -> None:
    """End an emulated device: a kernel that never finishes has no other way out."""
    if (shim := _libraries()[1]) is not None:
        shim.TransfabEnd(index)


def seconds_to_answer(seconds: float) -> None:
    """How long an emulated device may take over one call, 30 at first."""
    if (shim := _libraries()[1]) is not None:
        shim.TransfabSecondsToAnswer(seconds)
