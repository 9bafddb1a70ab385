"""What a driver needs of AMD's `pyxrt`, under the same names, over XRT's C interface.

AMD's comes with XRT, from no package registry. A driver does `import pyxrt` where that works and
takes this module otherwise; against the emulation it must take this one, which sees that a device
process has ended. Beyond AMD's: `kernel.read_register` and `write_register`, which later versions
have dropped, `bo.copy`, `export_buffer`, `imported`, 64-bit scalars, `device.close`. Failures are
XrtErrors of one line.
"""

from __future__ import annotations

import ctypes
import time
import weakref
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from transfab.host.xrt.library import (
    XrtError,
    call,
    close_device,
    close_run,
    emulated,
    forget,
    lost,
    reason,
    there,
)
from transfab.host.xrt.pyxrt_names import (
    UNFINISHED,
    ert_cmd_state,
    uuid,
    xclbin,
    xclBOSyncDirection,
)

__all__ = [
    "XrtError",
    "bo",
    "device",
    "ert_cmd_state",
    "kernel",
    "run",
    "uuid",
    "xclBOSyncDirection",
    "xclbin",
]
Data = bytes | bytearray | memoryview | npt.NDArray[Any]
# The shim copies through its stack.
COPY_BYTES: Final = 1 << 20
ALONE: Final = "; registers need kernel.exclusive and an offset inside the kernel's"
FIRST_PAUSE, LAST_PAUSE = 100e-6, 1e-3  # seconds


class _Handle:
    """Something that XRT has opened and that is closed with this object, or before by `_close`."""

    def __init__(self, owner: device, handle: int | None, close: str, what: str) -> None:
        self._device = owner
        self._what = what
        if not handle:
            owner._check(what)  # a device that is lost is the better reason
            raise XrtError(f"{what}: refused ({reason()})")
        self._handle = handle
        self._close = weakref.finalize(self, call(close), handle)
        owner._children = [child for child in owner._children if child() is not None]
        owner._children.append(weakref.ref(self))
        owner._check(what)

    def _call(self, name: str, *arguments: Any) -> int:
        """The result of a function of this handle, which is negative where it fails."""
        if not self._close.alive:
            raise XrtError(f"{self._what} is closed")
        result = int(call(name)(self._handle, *arguments))
        self._device._check(self._what)
        return result

    def _done(self, name: str, *arguments: Any, way_out: str = "") -> None:
        if self._call(name, *arguments):
            raise XrtError(f"{self._what}: {name} failed ({reason()}{way_out})")


class device:
    """A board, opened by its index or its bus id. `close` closes what was made from it, too."""

    def __init__(self, which: int | str) -> None:
        self._what = f"device {which}"
        # A digit string is an index to XRT, too, and the only bus id of an emulated board.
        self._index = int(which) if isinstance(which, int) or which.isdigit() else None
        self._children: list[weakref.ref[_Handle]] = []
        self._banks = 0
        if self._index is None:
            handle = call("xrtDeviceOpenByBDF")(str(which).encode())
        else:
            handle = call("xrtDeviceOpen")(self._index) if there(self._index) else None
        if not handle:
            raise XrtError(f"{self._what} is not there (xbutil examine lists the boards of a host)")
        self._handle = handle
        self._close = weakref.finalize(self, close_device, handle, self._index)

    def load_xclbin(self, file: str | xclbin) -> uuid:
        container = file if isinstance(file, xclbin) else xclbin(file)
        what = f"{self._what}, load_xclbin {container.path}"
        self._check(what)
        if self._index is not None:
            forget(self._index)
        failed = call("xrtDeviceLoadXclbinFile")(self._handle, container.path.encode())
        self._check(what)
        if failed:
            raise XrtError(f"{what}: refused ({reason()})")
        self._banks = len(container.get_mems())
        return container.get_uuid()

    def get_xclbin_uuid(self) -> uuid:
        found = ctypes.create_string_buffer(16)
        if call("xrtDeviceGetXclbinUUID")(self._handle, found):
            raise XrtError(f"{self._what} has no xclbin (call load_xclbin)")
        return uuid(found.raw)

    def close(self) -> None:
        """Close the board and all that was made from it, in the order that XRT wants."""
        for reference in reversed(self._children):
            if (child := reference()) is not None:
                child._close()
        self._children.clear()
        self._close()

    def _check(self, what: str) -> None:
        """Raise for an emulated device whose process has ended."""
        if not self._close.alive:
            raise XrtError(f"{self._what} is closed")
        if self._index is not None and (why := lost(self._index)) is not None:
            raise XrtError(f"{what}: {why} (close the device and open it again)")


class bo(_Handle):
    """A buffer of a board's memory with its shadow in the host's; `sync` copies between them."""

    class flags(IntEnum):
        normal = 0
        cacheable = 1 << 24
        svm = 1 << 27
        device_only = 1 << 28
        host_only = 1 << 29
        p2p = 1 << 30

    normal, cacheable, svm = flags.normal, flags.cacheable, flags.svm
    device_only, host_only, p2p = flags.device_only, flags.host_only, flags.p2p

    def __init__(self, owner: device, size: int, flag: int, group: int) -> None:
        what = f"{owner._what}, buffer of {size} bytes in bank {group}"
        owner._check(what)
        if emulated() and not 0 <= group < owner._banks:  # the shim would take bank 0
            raise XrtError(f"{what}: the xclbin has {owner._banks} banks (take kernel.group_id)")
        handle = call("xrtBOAlloc")(owner._handle, size, int(flag), group) if size > 0 else None
        super().__init__(owner, handle, "xrtBOFree", what)

    def write(self, data: Data, seek: int = 0) -> None:
        """Into the host's shadow; `sync` sends it."""
        source = np.frombuffer(data, np.uint8)
        self._done("xrtBOWrite", source.ctypes.data, source.size, seek)

    def read(self, size: int, skip: int = 0) -> npt.NDArray[np.int8]:
        """From the host's shadow; `sync` fetches it."""
        data = np.empty(size, np.int8)
        self._done("xrtBORead", data.ctypes.data, size, skip)
        return data

    def sync(self, direction: xclBOSyncDirection, size: int | None = None, offset: int = 0) -> None:
        self._done("xrtBOSync", int(direction), self.size() if size is None else size, offset)

    def map(self) -> memoryview:
        """The host's shadow; it keeps the buffer open."""
        address = self._call("xrtBOMap")
        array: Any = type("Mapped", (ctypes.c_ubyte * self.size(),), {}).from_address(address)  # type: ignore[attr-defined]
        array.buffer = self
        return memoryview(array).cast("B")

    def size(self) -> int:
        return self._call("xrtBOSize")

    def address(self) -> int:
        return self._call("xrtBOAddress")

    def copy(self, source: bo, size: int = 0, src_offset: int = 0, dst_offset: int = 0) -> None:
        """On the board, from another buffer of it."""
        size = size or source.size()
        for at in range(0, size, COPY_BYTES):
            part = min(COPY_BYTES, size - at)
            self._done("xrtBOCopy", source._handle, part, dst_offset + at, src_offset + at)

    def export_buffer(self) -> int:
        """A handle by which another board of this host reaches this buffer, made with `p2p`."""
        # The shim says so on stdout, too.
        if emulated() or (handle := self._call("xrtBOExport")) < 0:
            raise XrtError(f"{self._what} is not exported: no peer-to-peer here")
        return handle

    @classmethod
    def imported(cls, owner: device, handle: int) -> bo:
        """Another board's buffer, as the destination of a copy of this board's."""
        made, opened = cls.__new__(cls), call("xrtBOImport")(owner._handle, handle)
        _Handle.__init__(made, owner, opened, "xrtBOFree", f"{owner._what}, imported buffer")
        return made


class kernel(_Handle):
    """A kernel's compute units: its name, or name:{unit} for one of several."""

    class cu_access_mode(IntEnum):
        exclusive = 0
        shared = 1

    exclusive, shared = cu_access_mode.exclusive, cu_access_mode.shared

    def __init__(
        self,
        owner: device,
        xclbin_uuid: uuid,
        name: str,
        mode: kernel.cu_access_mode = cu_access_mode.shared,
    ) -> None:
        what = f"{owner._what}, kernel {name}"
        owner._check(what)
        alone = mode == kernel.cu_access_mode.exclusive
        function = "xrtPLKernelOpenExclusive" if alone else "xrtPLKernelOpen"
        handle = call(function)(owner._handle, xclbin_uuid.value, name.encode())
        super().__init__(owner, handle, "xrtKernelClose", what)

    def group_id(self, argument: int) -> int:
        """The bank that a pointer's buffer must be in."""
        if (bank := self._call("xrtKernelArgGroupId", argument)) < 0:
            raise XrtError(f"{self._what}: argument {argument} is no pointer")
        return bank

    def read_register(self, offset: int) -> int:
        """A register of the compute unit; needs exclusive access."""
        value = ctypes.c_uint32()
        self._done("xrtKernelReadRegister", offset, ctypes.byref(value), way_out=ALONE)
        return value.value

    def write_register(self, offset: int, value: int) -> None:
        """Needs exclusive access."""
        self._done("xrtKernelWriteRegister", offset, value, way_out=ALONE)

    def __call__(self, *arguments: int | bo) -> run:
        started = run(self)
        for index, argument in enumerate(arguments):
            started.set_arg(index, argument)
        started.start()
        return started


class run(_Handle):
    """One execution of a kernel after another, with arguments that stay set."""

    def __init__(self, of: kernel) -> None:
        what = f"{of._what}, run"
        handle = call("xrtRunOpen")(of._handle)
        super().__init__(of._device, handle, "xrtRunClose", what)
        self._arguments: dict[int, object] = {-1: of}  # kept open while this is
        self._close.detach()
        self._started: list[bool] = []  # shared with the function that closes
        self._close = weakref.finalize(self, close_run, handle, self._started, of._device._index)

    def set_arg(self, index: int, value: int | bo) -> None:
        """A buffer, or an integer of 32 or 64 bits as the kernel's argument has."""
        if isinstance(value, bo):
            self._done("xrtRunSetArg", index, ctypes.c_void_p(value._handle))
        else:
            self._done("xrtRunSetArg", index, ctypes.c_uint64(int(value)))
        self._arguments[index] = value

    def start(self) -> None:
        self._done("xrtRunStart")
        self._started.append(True)

    def wait(self, timeout_ms: int = 0) -> ert_cmd_state:
        """Wait, for ever with 0; ERT_CMD_STATE_TIMEOUT if it has not finished by then.

        XRT's own wait with a time-out does not return from a run that never finishes.
        """
        if not self._started:
            raise XrtError(f"{self._what} has not been started")
        start = time.monotonic()
        while (state := self.state()) in UNFINISHED:
            taken = time.monotonic() - start
            if timeout_ms and taken > timeout_ms / 1e3:
                return ert_cmd_state.ERT_CMD_STATE_TIMEOUT
            # A pause adds a tenth at most to what a run takes.
            time.sleep(min(max(FIRST_PAUSE, taken / 10), LAST_PAUSE))
        self._call("xrtRunWait")  # until XRT, too, has noted it and takes the next start
        self._started.clear()
        return state

    def state(self) -> ert_cmd_state:
        return ert_cmd_state(self._call("xrtRunState"))
