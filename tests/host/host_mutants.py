"""What the checks of broken drivers and fabrics share; mutants are those of mutator.py.

Kernels here only scramble, so that every byte counts and no compiler is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from emulated_boards import Bench, Layer, kernel_threads, scrambled
from mutator import Patch, mutated
from strategies import random_case
from stream_oracle import BUILDS

from transfab.quant.bert.layer import run_layer
from transfab.quant.contract.tops import TOPS

Check = Callable[[str, Path], bool]  # package, folder of its own -> whether all is as it should be
LAYERS = [Layer(BUILDS[4], random_case(seed, "plain", BUILDS[4].shape, 3, 6)) for seed in (1, 2)]
FIRST = LAYERS[0]
TENSORS = [run_layer(one.config, one.case.parameters(), *one.case.arrays()) for one in LAYERS]
# Seconds of the driver's clock: it stands while a kernel is at work.
PATIENCE = 0.1


def expected(layer: Layer, tensors: Any, top: str, index: int, **given: Any) -> Any:
    """What a scrambling kernel must be given, and makes; `given` replaces activations."""
    packets = layer.activations(top, index, tensors) | given
    inputs = packets | layer.parameters(top)
    run = scrambled(layer.config, layer.engine)
    return run(top, layer.sequence, [inputs[name] for name in TOPS[top].inputs])


def refused(bench: Bench, act: Callable[[], object], *parts: str) -> bool:
    try:
        act()
    except bench.error as err:
        return all(part in str(err) for part in parts)
    return False


def survives(checks: Sequence[Check], folder: Path, *patches: Patch) -> bool:
    with mutated(*patches) as package:
        try:
            return all(check(package, folder / check.__name__) for check in checks)
        except Exception:  # a mutant that stumbles is dead, too
            return False
        finally:
            # What a mutant did not end is not the next one's.
            for thread in kernel_threads():
                thread.name = "mutant"
