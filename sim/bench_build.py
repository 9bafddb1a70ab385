"""The program that simulates one module of one build under cocotb.

generated texts, rtl/*.sv -> Verilator -> one C++ file, and the design's own -> program of the cache
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from transfab.quant.native.build import cached, compiler, run
from transfab.sim.model_build import Design
from transfab.sim.verilator import design_hash, headers, includes, runtime, translate

# Ports and signals of the top only: what is visible is not optimized.
FLAGS: Final = ("--vpi", "--public-depth", "1", "--timescale", "1ns/1ps")
# What reset does not set starts as the seed says, so that a register that needs it is seen.
UNKNOWN: Final = ("--x-initial", "unique", "--x-assign", "unique")
CXX_FLAGS: Final = ("-O1",)


def build_bench(design: Design, parameters: Mapping[str, int] | None = None) -> Path:
    """The program that simulates a design under cocotb; errors as in `run_bench`."""
    from cocotb_tools import config as cocotb

    shell = cocotb.share_dir / "lib" / "verilator" / "verilator.cpp"
    library = [f"-Wl,-rpath,{cocotb.libs_dir}", f"-L{cocotb.libs_dir}", "-lcocotbvpi_verilator"]
    link = [*design.flags, *library]
    module, cpp, flags = design.module, [*design.cpp, shell], [*FLAGS, *UNKNOWN]
    texts = [repr(design.texts), *flags, *CXX_FLAGS, *link, json.dumps(dict(parameters or {}))]
    hashed = design_hash("bench", [module, *texts], design.sources, cpp)

    def make(target: Path) -> None:
        found = compiler()
        assert found is not None
        with tempfile.TemporaryDirectory(prefix="transfab-") as name:
            folder = Path(name)
            model = translate(module, design.write(folder), folder, flags, parameters)
            with model.open("a", encoding="utf-8") as file:
                file.writelines(f'#include "{path.as_posix()}"\n' for path in cpp)
            common = [*found, *CXX_FLAGS, *includes(), f"-I{folder}"]
            ready = ["-include", str(headers(CXX_FLAGS))]
            run([[*common, *ready, "-c", "-o", str(folder / "model.o"), str(model)]])
            objects = [str(folder / "model.o"), str(runtime(CXX_FLAGS))]
            run([[*found, "-o", str(target), *objects, *link]])
            target.chmod(0o755)

    return cached(f"bench-{module}-{hashed}", make)
