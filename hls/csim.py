"""C simulation: the tops of one kernel build run in this process, bit for bit what hardware sees.

tensors -> packets (quant.contract) -> TransfabRunTop -> packet -> tensors
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from transfab.hls.build import Variant, build, executor_name
from transfab.quant.bert.layer import LayerParameters, Tensors
from transfab.quant.config import LayerConfig
from transfab.quant.contract.beats import Beats
from transfab.quant.contract.packets import beats_of
from transfab.quant.contract.parameters import pack_parameters
from transfab.quant.contract.tops import TOPS, Top, pack_activation
from transfab.quant.engine import Engine
from transfab.quant.intmath import Array
from transfab.quant.packet_check import unpacked
from transfab.quant.packet_executor import PacketExecutor

_ERROR_SIZE: Final = 256


def top_of(name: str) -> Top:
    """The top of that name; ValueError if there is none."""
    if name not in TOPS:
        raise ValueError(f"top must be one of {', '.join(TOPS)}, not {name}")
    return TOPS[name]


class CSimulation:
    """The seven tops of one build; one of them runs at a time, whatever the threads.

    config, engine, variant, progress  as `build` takes them, and its errors
    """

    def __init__(
        self,
        config: LayerConfig,
        engine: Engine,
        variant: Variant = "native",
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.config, self.engine, self.variant = config, engine, variant
        self._run = build(config, engine, variant, progress).TransfabRunTop
        pointers, counts = ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int64)
        self._run.argtypes = [
            *(ctypes.c_char_p, ctypes.c_int64, pointers, counts),
            *(ctypes.c_void_p, ctypes.c_int64, ctypes.c_char_p, ctypes.c_size_t),
        ]
        self._run.restype = ctypes.c_bool
        self._packed: tuple[LayerParameters, dict[str, Beats]] | None = None

    def parameters(self, params: LayerParameters, stage_name: str) -> Beats:
        """The packet `{stage_name}_parameters`; those of the last layer are kept."""
        if self._packed is None or self._packed[0] is not params:
            self._packed = params, {}
        kept = self._packed[1]
        if stage_name not in kept:
            kept[stage_name] = pack_parameters(self.config, self.engine, stage_name, params)
        return kept[stage_name]

    def run(self, top: str, sequence: int, packets: Sequence[Beats]) -> Beats:
        """Run a top on one sequence.

        top       one of TOPS
        sequence  S, in [1, engine.sequence]
        packets   (beats, W) uint8 each, in the order of `Top.inputs`
        ->        (beats, W) uint8, the packet `Top.output`

        Raises ValueError for what the ports do not take, and RuntimeError when the kernel reads
        more or fewer beats than it was sent, or ends its packet elsewhere.
        """
        wanted, width = top_of(top), self.engine.beat_bytes
        self.engine.check_sequence(sequence)
        if len(packets) != len(wanted.inputs):
            raise ValueError(
                f"top {top} reads {', '.join(wanted.inputs)}, not {len(packets)} packets"
            )
        for name, packet in zip(wanted.inputs, packets, strict=True):
            if packet.ndim != 2 or packet.shape[1] != width or packet.dtype != np.uint8:
                raise ValueError(
                    f"packet {name} must be beats of {width} uint8, "
                    f"not {packet.shape} {packet.dtype}"
                )
        held = [np.ascontiguousarray(packet) for packet in packets]
        output = np.zeros(
            (beats_of(self.config, self.engine, wanted.output, sequence), width), np.uint8
        )
        error = ctypes.create_string_buffer(_ERROR_SIZE)
        count = len(held)
        ran = self._run(
            top.encode(),
            sequence,
            (ctypes.c_void_p * count)(*(packet.ctypes.data for packet in held)),
            (ctypes.c_int64 * count)(*map(len, held)),
            output.ctypes.data,
            len(output),
            error,
            _ERROR_SIZE,
        )
        if not ran:
            raise RuntimeError(f"top {top} failed: {error.value.decode()}")
        return output

    def packets(
        self, top: str, params: LayerParameters, tensors: Tensors, index: int
    ) -> list[Beats]:
        """What a top reads for one sequence of a batch.

        tensors  name -> (B, S, channels), mask (B, S), at least those of the top's activations
        index    of the sequence, in [0, B)
        """
        wanted = top_of(top)
        one = {name: tensor[index] for name, tensor in tensors.items()}
        return [
            *(pack_activation(self.config, self.engine, name, one) for name in wanted.activations),
            *(self.parameters(params, stage) for stage in wanted.stages),
        ]

    def run_top(self, top: str, params: LayerParameters, tensors: Tensors) -> dict[str, Array]:
        """Run a top on a batch, one sequence after the other; arguments as in `packets`.

        ->  tensors of the output packet by name, (B, S, channels) each, a mask (B, S)
        """
        batch, sequence = next(iter(tensors.values())).shape[:2]
        made = [
            self.run(top, sequence, self.packets(top, params, tensors, index))
            for index in range(batch)
        ]
        return unpacked(self.config, self.engine, top_of(top).output, made, sequence)


class CsimExecutor(PacketExecutor):
    """Runs stages in C simulation.

    variant   native or width_true (see `build`)
    engine    tiles, beat and longest sequence, None for the usual; changes no bit
    progress  is told of a build
    """

    def __init__(
        self,
        variant: Variant = "native",
        engine: Engine | None = None,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        used = engine or Engine()
        super().__init__(
            executor_name(variant),
            used,
            lambda config: CSimulation(config, used, variant, progress),
        )
