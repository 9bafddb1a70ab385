"""The parts of AMD's `pyxrt` that call nothing of XRT: states, directions, what an xclbin says."""

from __future__ import annotations

import uuid as uuids
from enum import IntEnum
from pathlib import Path
from typing import Final

from transfab.host.xrt import xclbin as containers
from transfab.host.xrt.xclbin_reader import read


class xclBOSyncDirection(IntEnum):
    XCL_BO_SYNC_BO_TO_DEVICE = 0
    XCL_BO_SYNC_BO_FROM_DEVICE = 1


class ert_cmd_state(IntEnum):
    ERT_CMD_STATE_NEW = 1
    ERT_CMD_STATE_QUEUED = 2
    ERT_CMD_STATE_RUNNING = 3
    ERT_CMD_STATE_COMPLETED = 4
    ERT_CMD_STATE_ERROR = 5
    ERT_CMD_STATE_ABORT = 6
    ERT_CMD_STATE_SUBMITTED = 7
    ERT_CMD_STATE_TIMEOUT = 8
    ERT_CMD_STATE_NORESPONSE = 9
    ERT_CMD_STATE_SKERROR = 10
    ERT_CMD_STATE_SKCRASHED = 11


# XRT's scheduler in user space leaves a run NEW until it has completed.
UNFINISHED: Final = (
    ert_cmd_state.ERT_CMD_STATE_NEW,
    ert_cmd_state.ERT_CMD_STATE_QUEUED,
    ert_cmd_state.ERT_CMD_STATE_RUNNING,
    ert_cmd_state.ERT_CMD_STATE_SUBMITTED,
)


class uuid:
    """What identifies the content of an xclbin: 16 bytes."""

    def __init__(self, value: str | bytes) -> None:
        self.value = uuids.UUID(value).bytes if isinstance(value, str) else bytes(value)

    def to_string(self) -> str:
        return str(uuids.UUID(bytes=self.value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, uuid) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)


class xclbinkernel:
    def __init__(self, kernel: containers.Kernel) -> None:
        self._kernel = kernel

    def get_name(self) -> str:
        return self._kernel.name

    def get_num_args(self) -> int:
        return len(self._kernel.arguments)


class xclbinmem:
    def __init__(self, bank: containers.Bank, index: int) -> None:
        self._bank, self._index = bank, index

    def get_tag(self) -> str:
        return self._bank.name

    def get_base_address(self) -> int:
        return self._bank.base

    def get_size_kb(self) -> int:
        return self._bank.size // 1024

    def get_used(self) -> bool:
        return True

    def get_index(self) -> int:
        return self._index


class xclbin:
    """An xclbin file, read and checked. Raises ValueError for one that is damaged."""

    def __init__(self, filename: str) -> None:
        self.path = str(filename)
        self.container = read(Path(filename))

    def get_uuid(self) -> uuid:
        return uuid(self.container.uuid)

    def get_kernels(self) -> list[xclbinkernel]:
        # One a kernel, however many units it has.
        kernels = {kernel.name: kernel for kernel in self.container.kernels}
        return [xclbinkernel(kernel) for kernel in kernels.values()]

    def get_mems(self) -> list[xclbinmem]:
        return [xclbinmem(bank, index) for index, bank in enumerate(self.container.banks)]

    def get_xsa_name(self) -> str:
        return self.container.platform
