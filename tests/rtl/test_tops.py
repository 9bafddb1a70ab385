"""Every top through its own ports, driven by another's AXI models."""

from pathlib import Path

import pytest
from benches import run
from hard_layers import EVEN, hard_cases
from runs import layer_run, write

from transfab.quant.contract.tops import TOPS
from transfab.sim.benches.tops import RUNS
from transfab.sim.model_build import MODULES


@pytest.mark.parametrize("top", TOPS)
def test_a_host_gets_every_byte(top: str, tmp_path: Path) -> None:
    file = write([layer_run(EVEN, one, top) for one in hard_cases(EVEN).values()], tmp_path / "r")
    module = MODULES.get(top, top)
    run(module, EVEN.config(), EVEN.engine, bench="tops", values={RUNS: str(file)})
