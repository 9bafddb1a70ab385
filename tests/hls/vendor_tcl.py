"""AMD's Tcl commands as stand-ins that record calls, and a model of a block design to check one.

The scripts run in Python's own Tcl interpreter; a command that is neither Tcl's nor stood in for
is an error, as in the real tools. Pins are those of the blocks' product guides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

try:
    import tkinter
except ImportError:
    tkinter = None  # type: ignore[assignment]

MISSING = None if tkinter else "no tkinter, whose Tcl runs the scripts"
END = "the script has ended"


def run(script: Path, environment: Mapping[str, str], commands: Mapping[str, Any]) -> None:
    """Run a script with its arguments; RuntimeError with Tcl's message if it fails."""
    tcl = tkinter.Tcl()
    for name, value in environment.items():
        tcl.setvar(f"env({name})", value)
    tcl.eval(f"proc exit {{args}} {{ error {{{END}}} }}")
    raised: list[Exception] = []
    for name, command in commands.items():
        tcl.createcommand(name, _keeping(command, raised))
    try:
        tcl.eval(f"source {{{script}}}")
    except tkinter.TclError as err:
        if raised:  # Tcl tells nothing of a stand-in's own error
            raise raised[0] from err
        if str(err) != END:
            raise RuntimeError(str(err)) from err
    else:
        raise RuntimeError("the script does not exit")
    finally:
        # Tcl's env is that of the process, and so of the next interpreter.
        tcl.eval("array unset ::env TRANSFAB_*")


def _keeping(command: Callable[..., str], raised: list[Exception]) -> Callable[..., str]:
    def call(*arguments: str) -> str:
        try:
            return command(*arguments)
        except Exception as err:
            raised.append(err)
            raise

    return call


class Recorder:
    """Commands of one tool: `calls` holds each with its arguments."""

    def __init__(self, *names: str) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.commands: dict[str, Callable[..., str]] = {name: self._record(name) for name in names}

    def _record(self, name: str) -> Callable[..., str]:
        def call(*arguments: str) -> str:
            self.calls.append((name, *arguments))
            return ""

        return call

    def of(self, name: str) -> list[tuple[str, ...]]:
        return [arguments for called, *arguments in self.calls if called == name]  # type: ignore[misc]


def hls() -> Recorder:
    return Recorder(
        "open_project", "set_top", "add_files", "open_solution", "set_part", "create_clock",
        "csim_design", "csynth_design", "cosim_design", "export_design",
    )  # fmt: skip


# Kind -> pins and interface pins; "{n}" stands for a number, and {way} for mm2s or s2mm.
CLOCKED = {
    "proc_sys_reset": ("slowest_sync_clk", "ext_reset_in"),
    "smartconnect": ("aclk", "aresetn"),
    "axi_intc": ("s_axi_aclk", "s_axi_aresetn"),
    "kernel": ("ap_clk", "ap_rst_n"),
}


class Vivado(Recorder):
    """A block design: cells with their properties, nets from a pin to pins, joined interfaces."""

    def __init__(self, out: Path, kernel: str, slack: str = "0.1", boards: str = "board") -> None:
        super().__init__(
            "create_project", "update_ip_catalog", "create_bd_design", "apply_bd_automation",
            "validate_bd_design", "save_bd_design", "make_wrapper", "update_compile_order",
            "launch_runs", "wait_on_run",
        )  # fmt: skip
        self.cells: dict[str, str] = {}
        self.properties: dict[str, dict[str, str]] = {}
        self.nets: dict[str, list[str]] = {}
        self.buses: list[tuple[str, str]] = []
        self.addresses: dict[str, int] = {}
        self.out, self.kernel, self.slack, self.boards = out, kernel, slack, boards
        for name in ("cells", "pins", "intf_pins", "addr_spaces", "addr_segs"):
            self.commands[f"get_bd_{name}"] = lambda value: value
        for name in ("create_bd_cell", "set_property", "connect_bd_net", "connect_bd_intf_net"):
            self.commands[name] = getattr(self, f"_{name}")
        self.commands |= {
            "assign_bd_address": self._assign,
            "get_property": self._get,
            "get_board_parts": lambda *arguments: self.boards,
            "current_project": lambda: "project",
            "current_fileset": lambda: "sources",
            "get_files": lambda name: name,
            "get_runs": lambda name: name,
        }

    def _create_bd_cell(self, *arguments: str) -> str:
        assert arguments[:3] == ("-type", "ip", "-vlnv")
        vlnv, name = arguments[3:]
        assert name not in self.cells
        self.cells[name] = vlnv
        self.properties[name] = {}
        return name

    def _set_property(self, *arguments: str) -> str:
        if arguments[0] == "-dict":
            assert tkinter is not None
            values = tkinter.Tcl().splitlist(arguments[1])
            assert len(values) % 2 == 0
            pairs = zip(values[::2], values[1::2], strict=True)
            self.properties[arguments[2]] |= {key.removeprefix("CONFIG."): v for key, v in pairs}
        else:
            self.calls.append(("set_property", *arguments))
        return ""

    def _connect_bd_net(self, source: str, sink: str) -> str:
        self.nets.setdefault(source, []).append(sink)
        return ""

    def _connect_bd_intf_net(self, source: str, sink: str) -> str:
        self.buses.append((source, sink))
        return ""

    def _assign(self, *arguments: str) -> str:
        if arguments:
            values = dict(zip(arguments[:6:2], arguments[1:6:2], strict=True))
            assert values["-range"] == "64K"
            assert values["-target_address_space"] == "processor/Data"
            assert arguments[7:] == ("-force",)
            self.addresses[arguments[6]] = int(values["-offset"], 16)
        self.calls.append(("assign_bd_address", *arguments))
        return ""

    def _get(self, name: str, of: str) -> str:
        if name == "DIRECTORY":
            # What the tool would have written by now.
            handoff = self.out / f"{self.kernel}_design/{self.kernel}.gen/sources_1/bd/transfab"
            (handoff / "hw_handoff").mkdir(parents=True, exist_ok=True)
            (handoff / "hw_handoff/transfab.hwh").write_text("hwh")
            (self.out / "transfab_wrapper.bit").write_text("bit")
        return {"PROGRESS": "100%", "STATS.WNS": self.slack, "DIRECTORY": str(self.out)}[name]

    def kind(self, cell: str) -> str:
        """Name of the block in the catalog, or kernel."""
        _, library, name, *_ = self.cells[cell].split(":")
        return "kernel" if library == "hls" else name
