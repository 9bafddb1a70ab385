"""The program that simulates one module for one config and engine under cocotb.

transfab_pkg (generated) + rtl/*.sv -> Verilator -> one C++ file -> program of the cache
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from transfab.quant.config import LayerConfig
from transfab.quant.contract.codegen import sv_package
from transfab.quant.engine import Engine
from transfab.quant.native.build import cached, compiler, run
from transfab.rtl.sources import GENERATED, SOURCES, sources_of
from transfab.sim.verilator import design_hash, headers, includes, runtime, translate

# Ports and signals of the top only: what is visible is not optimized.
FLAGS: Final = ("--vpi", "--public-depth", "1", "--timescale", "1ns/1ps")
# What reset does not set starts as the seed says, so that a register that needs it is seen.
UNKNOWN: Final = ("--x-initial", "unique", "--x-assign", "unique")
CXX_FLAGS: Final = ("-O1",)


def build_bench(
    module: str,
    config: LayerConfig,
    engine: Engine,
    parameters: Mapping[str, int] | None = None,
    folders: tuple[Path, ...] = (SOURCES,),
) -> Path:
    """The program that simulates a module under cocotb; arguments and errors as in `run_bench`."""
    from cocotb_tools import config as cocotb

    shell = cocotb.share_dir / "lib" / "verilator" / "verilator.cpp"
    link = [f"-Wl,-rpath,{cocotb.libs_dir}", f"-L{cocotb.libs_dir}", "-lcocotbvpi_verilator"]
    sources, package = sources_of(module, folders), sv_package(config, engine)
    flags = [*FLAGS, *UNKNOWN]
    texts = [module, package, *flags, *CXX_FLAGS, *link, json.dumps(dict(parameters or {}))]
    hashed = design_hash("bench", texts, sources, [shell])

    def make(target: Path) -> None:
        found = compiler()
        assert found is not None
        with tempfile.TemporaryDirectory(prefix="transfab-") as name:
            folder = Path(name)
            generated = folder / f"{GENERATED}.sv"
            generated.write_text(package, encoding="utf-8")
            model = translate(module, [generated, *sources], folder, flags, parameters)
            with model.open("a", encoding="utf-8") as file:
                file.write(f'#include "{shell.as_posix()}"\n')
            common = [*found, *CXX_FLAGS, *includes(), f"-I{folder}"]
            ready = ["-include", str(headers(CXX_FLAGS))]
            run([[*common, *ready, "-c", "-o", str(folder / "model.o"), str(model)]])
            objects = [str(folder / "model.o"), str(runtime(CXX_FLAGS))]
            run([[*found, "-o", str(target), *objects, *link]])
            target.chmod(0o755)

    return cached(f"bench-{module}-{hashed}", make)
