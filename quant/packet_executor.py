"""The executor of back ends that take packets: kernels, RTL, boards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from transfab.quant.bert.layer import LayerParameters, Stage, Tensors
from transfab.quant.bert.shapes import check_inputs
from transfab.quant.config import LayerConfig
from transfab.quant.engine import Engine
from transfab.quant.intmath import Array


class TopRunner(Protocol):
    """The tops of one kernel build."""

    def run_top(self, top: str, params: LayerParameters, tensors: Tensors) -> Mapping[str, Array]:
        """Run a top on a batch.

        tensors  name -> (B, S, channels), mask (B, S), at least those of the top's activations
        ->       tensors of the output packet by name, (B, S, channels) each, a mask (B, S)
        """
        ...


class PacketExecutor:
    """Runs stages as tops; what `make` gives for the last config is kept.

    name    as `verify --on` takes it
    engine  tiles, beat and longest sequence; changes no bit
    make    the tops of a config's build
    """

    def __init__(self, name: str, engine: Engine, make: Callable[[LayerConfig], TopRunner]) -> None:
        self.name, self.engine, self._make = name, engine, make
        self._made: tuple[LayerConfig, TopRunner] | None = None

    def run(
        self, config: LayerConfig, stage: Stage, params: LayerParameters, inputs: Tensors
    ) -> Mapping[str, Array]:
        given = {name: inputs[name] for name in stage.inputs}
        check_inputs(config, given)
        batch, sequence = next(iter(given.values())).shape[:2]
        self.engine.check_sequence(sequence)
        if self._made is None or self._made[0] != config:
            self._made = config, self._make(config)
        # Packets of the residual stream carry the mask of stages that do not use it, too.
        given.setdefault("mask", np.ones((batch, sequence), np.uint8))
        made = self._made[1].run_top(stage.name, params, given)
        if not np.array_equal(made.get("mask", given["mask"]), given["mask"]):
            raise RuntimeError(f"stage {stage.name} does not pass its mask on")
        return {name: made[name] for name in stage.outputs}
