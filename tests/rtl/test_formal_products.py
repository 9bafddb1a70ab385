"""Every int8 through the multiplier that two products share: what the proof of gemm_array takes."""

import subprocess
from pathlib import Path

import pytest
from benches import needs_simulator

from transfab.quant.native.build import compiler, run
from transfab.rtl.formal.prove import package
from transfab.rtl.sources import SOURCES, sources_of
from transfab.sim.verilator import PREFIX, includes, runtime, translate

FLAGS = ("-std=c++17", "-O2")
PROGRAM = Path(__file__).with_name("all_products.cpp")
OPERANDS = 256


def all_products(folder: Path, module: str) -> subprocess.CompletedProcess[str]:
    """Run the program on `module`, the text of gemm_array."""
    (folder / "gemm_array.sv").write_text(module, encoding="utf-8")
    (folder / "transfab_pkg.sv").write_text(package({}), encoding="utf-8")
    model = translate(
        "gemm_array",
        sources_of("gemm_array", (folder, SOURCES)),
        folder,
        parameters={"Pe": 2, "Simd": 1},
    )
    found = compiler()
    assert found is not None and model.is_file() and PREFIX == "Vtop"
    command = [*found, *FLAGS, *includes(), f"-I{folder}", "-o", str(folder / "all"), "-pthread"]
    run([[*command, str(PROGRAM), str(model), str(runtime(FLAGS))]])
    return subprocess.run([str(folder / "all")], capture_output=True, text=True)


def test_all_packed_products_are_exact(tmp_path: Path) -> None:
    needs_simulator()
    done = all_products(tmp_path, (SOURCES / "gemm_array.sv").read_text(encoding="utf-8"))
    assert (done.returncode, int(done.stdout)) == (0, 2 * OPERANDS**3), done.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (" + SumBits'(both[17]);", ";"),
        ("27'(shadow_q[2*p][i])", "27'(unsigned'(shadow_q[2*p][i]))"),
    ],
)
def test_a_wrong_product_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    needs_simulator()
    text = (SOURCES / "gemm_array.sv").read_text(encoding="utf-8")
    assert text.count(right) == 1
    assert all_products(tmp_path, text.replace(right, wrong)).returncode == 1
