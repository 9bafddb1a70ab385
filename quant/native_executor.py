"""The executor of the C++ layer."""

from __future__ import annotations

from collections.abc import Mapping

from transfab.quant.bert.layer import LayerParameters, Stage, Tensors
from transfab.quant.config import LayerConfig
from transfab.quant.executors import Executor, IntegerExecutor
from transfab.quant.intmath import Array
from transfab.quant.native import NativeLayer, available


class NativeExecutor:
    """Runs stages in C++; the last layer stays packed, for its stages come one after the other.

    threads  int >= 1   changes no bit
    """

    name = "native"

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self._packed: tuple[LayerParameters, NativeLayer] | None = None

    def run(
        self, config: LayerConfig, stage: Stage, params: LayerParameters, inputs: Tensors
    ) -> Mapping[str, Array]:
        if self._packed is None or self._packed[0] is not params:
            self._packed = params, NativeLayer(config, params)
        return self._packed[1].run_stage(stage.name, inputs, "op", self.threads)


def fastest(threads: int) -> Executor:
    """The native executor, or the definition itself where no compiler is."""
    return NativeExecutor(threads) if available()[0] else IntegerExecutor()
