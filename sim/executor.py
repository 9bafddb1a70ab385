"""Tops in simulation on whole batches: what `verify --on rtl`, `--on hls` and `sim` run.

rtl   SystemVerilog of rtl/, cycle by cycle
hls   the C++ kernels of hls/ behind the same ports; its cycles are a shell's, so none are given
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, get_args

from transfab.hls.build import missing as missing_kernels
from transfab.quant.bert.layer import LayerParameters, Tensors
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.parameters import pack_parameters
from transfab.quant.contract.tops import TOPS, pack_activation
from transfab.quant.engine import Engine
from transfab.quant.intmath import Array
from transfab.quant.packet_check import unpacked
from transfab.quant.packet_executor import PacketExecutor
from transfab.sim.model import Model, SimulationResult
from transfab.sim.model_build import Design
from transfab.sim.verilator import missing as missing_simulator

Kind = Literal["rtl", "hls"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


def missing(kind: Kind = "rtl") -> str | None:
    """Why this executor cannot run here, with the way out; None if it can."""
    return missing_simulator() or (missing_kernels() if kind == "hls" else None)


class Simulation:
    """The tops of one build; each is built when it first runs.

    kind      rtl or hls
    stall     share of cycles in [0, 1) in which a port offers or takes nothing
    seed      of the stalls and of registers before their first value
    progress  is told of builds
    waves     VCD file of every run, the last one stays; None for none
    folder    Verilog that is run instead of the project's; None for that
    """

    def __init__(
        self,
        config: LayerConfig,
        engine: Engine,
        kind: Kind = "rtl",
        stall: float = 0.0,
        seed: int = 1,
        progress: Callable[[str], None] = lambda text: None,
        waves: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"simulation must be one of {', '.join(KINDS)}, not {kind}")
        if not 0 <= stall < 1:
            raise ValueError(f"stall must be in [0, 1), a share of cycles, not {stall}")
        if lack := missing(kind):
            raise RuntimeError(lack)
        self.config, self.engine, self.kind = config, engine, kind
        self.stall, self.seed, self.progress, self.waves = stall, seed, progress, waves
        self.folder = folder
        self._models: dict[str, Model] = {}

    @property
    def build_seconds(self) -> float:
        """What the builds took so far."""
        return sum(model.build_seconds for model in self._models.values())

    def model(self, top: str) -> Model:
        """The model of a top, built now unless it was; errors as of `Model`."""
        if top not in self._models:
            design = None
            if self.kind == "hls":
                from transfab.sim.shell import hls_design

                design = hls_design(self.config, self.engine, top, self.progress)
            elif self.folder is not None:
                design = Design.of_folder(top, self.folder)
            recorded = self.waves is not None
            self._models[top] = Model(
                self.config, self.engine, top, self.progress, recorded, design=design
            )
        return self._models[top]

    def run(self, top: str, params: LayerParameters, tensors: Tensors) -> SimulationResult:
        """Run a top on a batch, one sequence right behind the other.

        top      one of TOPS
        tensors  name -> (B, S, channels), mask (B, S), at least those of the top's activations

        Raises ValueError for sequences longer than the engine takes, RuntimeError where the top
        gets stuck or breaks a protocol.
        """
        batch, sequence = next(iter(tensors.values())).shape[:2]
        self.engine.check_sequence(sequence)
        model = self.model(top)
        packets: dict[str, list[Beats]] = {name: [] for name in model.top.inputs}
        for stage in model.top.stages:
            sent = pack_parameters(self.config, self.engine, stage, params)
            packets[f"{stage}_parameters"] = [sent] * batch
        for index in range(batch):
            one = {name: tensor[index] for name, tensor in tensors.items()}
            for name in model.top.activations:
                packets[name].append(pack_activation(self.config, self.engine, name, one))
        return model.run([sequence] * batch, packets, self.stall, self.seed, self.waves)

    def run_packets(self, top: str, sequence: int, packets: Sequence[Beats]) -> Beats:
        """Run a top on one sequence.

        packets  (beats, W) uint8 each, in the order of `Top.inputs`
        ->       (beats, W) uint8, the packet `Top.output`

        Raises as `run` does.
        """
        model = self.model(top)
        given = {name: [one] for name, one in zip(model.top.inputs, packets, strict=True)}
        return model.run([sequence], given, self.stall, self.seed, self.waves).outputs[0]

    def run_top(self, top: str, params: LayerParameters, tensors: Tensors) -> dict[str, Array]:
        """As `transfab.quant.packet_executor.TopRunner` says; errors as of `run`."""
        outputs = self.run(top, params, tensors).outputs
        sequence = next(iter(tensors.values())).shape[1]
        return unpacked(self.config, self.engine, TOPS[top].output, outputs, sequence)


class SimulationExecutor(PacketExecutor):
    """Runs stages in simulation.

    kind      rtl or hls, the executor's name
    engine    tiles, beat and longest sequence, None for the usual; changes no bit
    progress  is told of builds
    """

    def __init__(
        self,
        kind: Kind = "rtl",
        engine: Engine | None = None,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        used = engine or Engine()
        super().__init__(
            kind, used, lambda config: Simulation(config, used, kind, progress=progress)
        )
