"""The integer layer in C++: every bit of `bert.layer.run_layer`, many times faster.

The library is compiled on first use (build.py). Without a compiler `available` says so, and the
caller falls back on the numpy layer.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

from transfab.quant.bert.layer import (
    STAGES,
    LayerParameters,
    check_shapes,
)
from transfab.quant.bert.shapes import check_inputs, specifications
from transfab.quant.config import LayerConfig
from transfab.quant.intmath import Array
from transfab.quant.native.build import build, missing_compiler
from transfab.quant.parameters import flatten

Level = Literal["stage", "op"]
_ERROR_SIZE = 256
_ORDER = tuple(stage.name for stage in STAGES)


@functools.cache
def _library() -> ctypes.CDLL | None:
    library = build()
    return None if library is None else declare(library)


def available() -> tuple[bool, str]:
    """Whether the C++ layer can run here, and if not, why.

    ->  (True, "") or (False, reason)

    Raises RuntimeError when there is a compiler and it fails.
    """
    return (False, missing_compiler()) if _library() is None else (True, "")


def declare(library: ctypes.CDLL) -> ctypes.CDLL:
    """Give the functions of layer.cpp their C types."""
    names, pointers = ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_void_p)
    library.TransfabPack.argtypes = [ctypes.c_int64, names, pointers, ctypes.c_char_p]
    library.TransfabPack.restype = ctypes.c_void_p
    sizes = ctypes.POINTER(ctypes.c_int64)
    library.TransfabRun.argtypes = [
        ctypes.c_void_p,
        sizes,
        ctypes.c_int64,
        names,
        pointers,
        ctypes.c_char_p,
    ]
    library.TransfabRun.restype = ctypes.c_bool
    library.TransfabFree.argtypes = [ctypes.c_void_p]
    library.TransfabFree.restype = None
    return library


class NativeLayer:
    """One layer with its weights packed for this processor; any number of threads may run it.

    config   LayerConfig
    params   LayerParameters   copied
    library  a library that `build` made and `declare` declared; None for that of this machine

    Raises ValueError when parameters and config do not fit, RuntimeError without a compiler.
    """

    def __init__(
        self, config: LayerConfig, params: LayerParameters, library: ctypes.CDLL | None = None
    ) -> None:
        check_shapes(config, params)
        library = library or _library()
        if library is None:
            raise RuntimeError(missing_compiler())
        self.config = config
        self._library = library
        names = (
            "hidden",
            "heads",
            "inner",
            "sequence",
            "residual_bits",
            "mean_multiplier",
            "mean_shift",
        )
        arrays: dict[str, Array] = {n: np.asarray(getattr(config, n), np.int64) for n in names}
        arrays |= {name: np.ascontiguousarray(leaf) for name, leaf in flatten(params).items()}
        error = ctypes.create_string_buffer(_ERROR_SIZE)
        self._layer = library.TransfabPack(*_pointers(arrays), error)
        if self._layer is None:
            raise RuntimeError(f"packing failed: {error.value.decode()}")
        weakref.finalize(self, library.TransfabFree, self._layer)

    def run(
        self, hidden: Array, mask: Array, level: Level = "stage", threads: int = 1
    ) -> dict[str, Array]:
        """Run the four stages, as `run_layer` does.

        hidden   (B, S, E) int16 or int8 by config.residual_bits
        mask     (B, S)    uint8   1 for a real token
        level    "op" for every tensor, "stage" for those that leave a stage
        threads  int >= 1          the result does not depend on it
        ->       tensors by name in the order of `run_layer`, `output` (B, S, E) last

        Raises ValueError when an input does not fit the config.
        """
        given = {"hidden": hidden, "mask": mask}
        check_inputs(self.config, given)
        return {**given, **self._run(_ORDER, given, level, threads)}

    def run_stage(
        self,
        stage_name: str,
        tensors: Mapping[str, Array],
        level: Level = "stage",
        threads: int = 1,
    ) -> dict[str, Array]:
        """Run one stage on the tensors that it reads.

        stage_name  one of STAGES
        tensors     at least the inputs of that stage, shapes and dtypes as `run_layer` makes them
        level, threads   as for `run`
        ->          the tensors that the stage makes, in order

        Raises ValueError for an unknown stage or an input that does not fit.
        """
        if stage_name not in _ORDER:
            raise ValueError(f"stage must be one of {', '.join(_ORDER)}, not {stage_name}")
        given = {name: tensors[name] for name in STAGES[_ORDER.index(stage_name)].inputs}
        check_inputs(self.config, given)
        return self._run((stage_name,), given, level, threads)

    def _run(
        self, stages: tuple[str, ...], given: Mapping[str, Array], level: Level, threads: int
    ) -> dict[str, Array]:
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        if level not in ("stage", "op"):
            raise ValueError(f"level must be stage or op, not {level}")
        arrays = {name: np.ascontiguousarray(tensor) for name, tensor in given.items()}
        batch, sequence = next(iter(arrays.values())).shape[:2]
        made: dict[str, Array] = {}
        for stage in STAGES:
            if stage.name in stages:
                for name, (shape, dtype) in specifications(
                    self.config, stage.name, batch, sequence
                ).items():
                    if level == "op" or name in stage.outputs:
                        made[name] = np.empty(shape, dtype)
        first, last = _ORDER.index(stages[0]), _ORDER.index(stages[-1])
        sizes = (ctypes.c_int64 * 5)(first, last, batch, sequence, threads)
        error = ctypes.create_string_buffer(_ERROR_SIZE)
        if not self._library.TransfabRun(self._layer, sizes, *_pointers(arrays | made), error):
            raise RuntimeError(f"the layer failed: {error.value.decode()}")
        return made


def _pointers(arrays: Mapping[str, Array]) -> Iterable[object]:
    """The three arguments count, names, pointers; `arrays` must outlive the call."""
    count = len(arrays)
    names = (ctypes.c_char_p * count)(*(name.encode() for name in arrays))
    pointers = (ctypes.c_void_p * count)(*(array.ctypes.data for array in arrays.values()))
    return count, names, pointers
