"""Every top, in RTL and in HLS C++, through its own ports, driven by another's AXI models."""

from pathlib import Path

import pytest
from benches import needs_simulator, run
from hard_layers import EVEN, hard_cases
from runs import layer_run, write

from transfab.quant.contract.tops import TOPS
from transfab.sim.benches.tops import RUNS
from transfab.sim.model_build import MODULES
from transfab.sim.shell import hls_design


@pytest.mark.parametrize("top", TOPS)
def test_a_host_gets_every_byte(top: str, tmp_path: Path) -> None:
    file = write([layer_run(EVEN, one, top) for one in hard_cases(EVEN).values()], tmp_path / "r")
    module = MODULES.get(top, top)
    run(module, EVEN.config(), EVEN.engine, bench="tops", values={RUNS: str(file)})


@pytest.mark.parametrize("top", TOPS)
def test_a_host_gets_every_byte_of_the_kernels(top: str, tmp_path: Path) -> None:
    needs_simulator()
    pair = EVEN.config(), EVEN.engine
    file = write([layer_run(EVEN, one, top) for one in hard_cases(EVEN).values()], tmp_path / "r")
    design = hls_design(*pair, top)
    run(design.module, *pair, bench="tops", values={RUNS: str(file)}, design=design)
