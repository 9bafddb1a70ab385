"""Public vectors of one I-BERT layer: an `.npz` whose keys are paths of operators.

`self_attention/linear_q/input` is the input of the query projection. Constants, sizes and the
number of heads are read from the arrays, so any layer of that layout will do.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from transfab.quant.ibert.gelu import Gelu
from transfab.quant.ibert.layer import AddNorm, Attention, FeedForwardAct, LayerParameters
from transfab.quant.ibert.layernorm import LayerNorm
from transfab.quant.ibert.linear import Linear
from transfab.quant.ibert.requantize import Dyadic
from transfab.quant.ibert.residual import Residual
from transfab.quant.ibert.softmax import MASKED, Softmax
from transfab.quant.intmath import Array, Int64Array, check_width


@dataclass(frozen=True)
class Vectors:
    """The arrays of one layer by path; every read names what is missing or unfit.

    arrays  path -> array
    source  what an error calls the file
    """

    arrays: dict[str, Array] = field(repr=False)
    source: str

    def array(self, name: str) -> Array:
        """The array at this path; ValueError when it is missing or holds no integers."""
        if name not in self.arrays:
            raise ValueError(f"{self.source} has no array {name}: give a file of the whole layer")
        found = self.arrays[name]
        if found.dtype.kind not in "iu":
            raise ValueError(f"{self.source}: {name} must hold integers, not {found.dtype}")
        return found

    def integers(self, name: str) -> Int64Array:
        """The same in int64: the file stores each array in the narrowest type."""
        return self.array(name).astype(np.int64)

    def integer(self, name: str) -> int:
        """One integer."""
        found = self.array(name)
        if found.size != 1:
            raise ValueError(f"{self.source}: {name} must be one integer, not {found.shape}")
        return int(found.reshape(()))

    def narrow(self, name: str, bits: int) -> Array:
        """The array in int8 or int32; ValueError when a value does not fit."""
        found = self.array(name)
        check_width(f"{self.source}: {name}", found, bits)
        return found.astype({8: np.int8, 32: np.int32}[bits])

    @property
    def heads(self) -> int:
        """Heads of the attention, counted in the names."""
        prefix = "self_attention/attention_matmul/input_q_"
        found = sum(name.startswith(prefix) for name in self.arrays)
        if not found:
            raise ValueError(f"{self.source} has no array {prefix}0: give a file of a whole layer")
        return found

    def per_head(self, name: str) -> Int64Array:
        """`NAME_0`, `NAME_1`, ... stacked along a first axis of heads."""
        stacked = [self.integers(f"{name}_{head}") for head in range(self.heads)]
        if len({head.shape for head in stacked}) != 1:
            raise ValueError(f"{self.source}: {name} must have one shape in all heads")
        return np.stack(stacked)

    def mask(self) -> Array:
        """(S,) bool, the keys that may be attended to: those that no head and row masks."""
        masked = self.per_head("self_attention/softmax/soft_input") == MASKED
        keys: Array = masked.all(axis=(0, 1))
        if not (masked == keys).all():
            raise ValueError(
                f"{self.source}: a key must be masked in every row and head or in none"
            )
        return ~keys

    def dyadic(self, name: str, index: str = "") -> Dyadic:
        """`NAME/m` and `NAME/e`, or `NAME/m1` and `NAME/e1` with index 1."""
        multiplier, shift = self.integers(f"{name}/m{index}"), self.integers(f"{name}/e{index}")
        return Dyadic(*np.broadcast_arrays(multiplier, shift))

    def linear(self, name: str) -> Linear:
        """`NAME/weight_integer` and `NAME/bias_integer`."""
        return Linear(
            self.narrow(f"{name}/weight_integer", 8), self.narrow(f"{name}/bias_integer", 32)
        )

    def softmax(self) -> Softmax:
        """Constants of the softmax."""
        name = "self_attention/softmax"
        b, c, x0, n = (self.integer(f"{name}/{key}") for key in ("b", "c", "x0", "const"))
        return Softmax(b, c, x0, n, self.dyadic(name))

    def gelu(self) -> Gelu:
        """Constants of the GELU."""
        b, c, shift = (self.integers(f"intermediate/gelu/{key}") for key in ("b", "c", "shift"))
        return Gelu(b, c, shift, self.integer("intermediate/gelu/const"))

    def attention(self) -> Attention:
        """Everything from the layer's input to the int8 context."""
        return Attention(
            query=self.linear("self_attention/linear_q"),
            key=self.linear("self_attention/linear_k"),
            value=self.linear("self_attention/linear_v"),
            query_act=self.dyadic("self_attention/act_q"),
            key_act=self.dyadic("self_attention/act_k"),
            value_act=self.dyadic("self_attention/act_v"),
            softmax=self.softmax(),
            context_act=self.dyadic("self_attention/act_out"),
            heads=self.heads,
        )

    def layernorm(self, name: str) -> LayerNorm:
        """`NAME/bias` and `NAME/shift`."""
        return LayerNorm(self.integers(f"{name}/bias"), self.integer(f"{name}/shift"))

    def residual(self, name: str) -> Residual:
        """`NAME/m`, `e` of the accumulator and `m1`, `e1` of the skip input."""
        return Residual(self.dyadic(name), self.dyadic(name, "1"))

    def add_norm(self, name: str) -> AddNorm:
        """Constants of `self_output` or `output` after its projection."""
        return AddNorm(
            self.residual(f"{name}/act_linear"),
            self.layernorm(f"{name}/layernorm"),
            self.dyadic(f"{name}/act_layernorm"),
        )

    def feed_forward_act(self) -> FeedForwardAct:
        """Constants of `intermediate` after its projection."""
        return FeedForwardAct(self.gelu(), self.dyadic("intermediate/act"))

    def layer(self) -> LayerParameters:
        """The whole layer; ValueError by name when a matrix is missing, as the feed-forward
        matrices are in the published files.
        """
        return LayerParameters(
            attention=self.attention(),
            self_output=self.linear("self_output/linear"),
            self_add_norm=self.add_norm("self_output"),
            intermediate=self.linear("intermediate/linear"),
            intermediate_act=self.feed_forward_act(),
            output=self.linear("output/linear"),
            add_norm=self.add_norm("output"),
        )


def read_vectors(path: Path) -> Vectors:
    """Read a layer's arrays; nothing is unpickled.

    Raises ValueError when the file is missing, no `.npz`, or holds an array of objects.
    """
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it is one bare array")
        with archive:
            return Vectors({name: archive[name] for name in archive.files}, path.name)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as err:
        reason = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
        raise ValueError(f"{path} is no .npz of integer arrays ({reason}): fetch it again") from err
