"""What a process needs around it to see emulated boards through XRT: files and an environment.

XRT reads both once, when it is loaded: a process sees one set of boards, and another set needs
another process. Start that in a session of its own if it may be ended from outside.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from transfab.host.xrt.install import XrtMissing, installed
from transfab.host.xrt.xclbin import Bank

MODEL: Final = "data/emulation/unified/cpu_em/generic_pcie/model/genericpciemodel"
SIZES: Final = {1 << (10 * power + bit): f"{1 << bit}{unit}" for power, unit in enumerate("KMGT", 1)
                for bit in range(10)}  # fmt: skip
# XRT's thread polls a kernel without a pause otherwise, in microseconds.
QUIET: Final = """[Runtime]
runtime_log = {log}
verbosity = 3
polling_throttle = 50
[Emulation]
print_infos_in_console = false
print_warnings_in_console = false
"""


def environment(
    folder: Path,
    fabric: str,
    devices: int,
    banks: Sequence[Bank],
    description: Mapping[str, Any] | None = None,
    xrt: Path | None = None,
) -> dict[str, str]:
    """Write the files into a folder of its own; the variables that a process is to be started with.

    fabric       module:function, see device.py
    devices      number of boards, 1 or more
    banks        of each board; XRT's shim puts them one after the other from address 0 and knows
                 powers of 2 from 1 KiB on
    description  data for the function, as JSON
    xrt          the folder that install gave, else the installed one

    Raises ValueError for banks or a number that cannot be, XrtMissing without XRT.
    """
    if devices < 1:
        raise ValueError(f"an emulation has 1 board or more, not {devices}")
    base = 0
    for bank in banks:
        if bank.base != base or bank.size not in SIZES:
            raise ValueError(f"{bank} must begin at {base:#x} and have a power of 2 KiB")
        base += bank.size
    root = xrt or installed()
    if root is None:
        raise XrtMissing("XRT is not installed (python -m transfab.host.xrt.install)")
    (folder / "run").mkdir(parents=True, exist_ok=True)
    log = folder / "xrt.log"
    (folder / "xrt.ini").write_text(QUIET.format(log=log), encoding="utf-8")
    board = {
        "Name": "transfab_emulated",
        "DdrBanks": [{"Name": bank.name, "Size": SIZES[bank.size]} for bank in banks],
        "NumDevices": str(devices),
    }
    platform = {"Boards": [{"NumBoards": "1", "Devices": [board]}]}
    config = {"Version": {"FileVersion": "2.0", "ToolVersion": "2022.1"}, "Platform": platform}
    (folder / "emconfig.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "fabric.json").write_text(json.dumps(dict(description or {})), encoding="utf-8")
    model = folder / MODEL
    model.parent.mkdir(parents=True, exist_ok=True)
    paths = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-m", "transfab.host.xrt.device"]
    model.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(paths)} exec {shlex.join(command)}\n", encoding="utf-8"
    )
    model.chmod(0o755)
    return {
        "EMCONFIG_PATH": str(folder),
        "SDACCEL_EM_RUN_DIR": str(folder / "run"),
        "TRANSFAB_XRT_BOARDS": str(devices),
        "TRANSFAB_XRT_DESCRIPTION": str(folder / "fabric.json"),
        "TRANSFAB_XRT_ERRORS": str(folder),
        "TRANSFAB_XRT_FABRIC": fabric,
        "TRANSFAB_XRT_LOG": str(log),
        "USER": os.environ.get("USER") or "transfab",  # names the folder of the sockets in /tmp
        "XCL_EMULATION_MODE": "sw_emu",
        "XILINX_VITIS": str(folder),
        "XILINX_XRT": str(root),
        "XRT_INI_PATH": str(folder / "xrt.ini"),
    }
