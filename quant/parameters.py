"""Parameters of a stage: frozen dataclasses to named arrays and back, one name per leaf.

`query.weight` is the field `weight` of the field `query`; an integer field becomes a 0-d int64
array and a field that is None has no names. Bundles, exporters and code generators see only
the names.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from transfab.quant.intmath import (
    Array,
    Int8Array,
    Int32Array,
    Requantize,
    accumulator_bound,
    check_accumulator,
    check_product,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Linear:
    """Weights of one projection and the constants that scale its accumulators.

    weight      (N, K) int8   in [-127, 127]
    bias        (N,)   int32  bias, zero points of the input folded in
    requantize  Requantize over N

    Raises ValueError when a dtype, a shape or the 27-bit accumulator bound is broken.
    """

    weight: Int8Array
    bias: Int32Array
    requantize: Requantize

    def __post_init__(self) -> None:
        check_linear(self.weight, self.bias, self.requantize.multiplier)
        check_product("projection", accumulator_bound(self.weight, self.bias), self.requantize)


def check_linear(weight: Int8Array, bias: Int32Array, multiplier: Int32Array) -> None:
    """Raise ValueError unless weight (N, K), bias (N,) and multiplier (N,) belong together."""
    if weight.dtype != np.int8 or weight.ndim != 2 or bias.dtype != np.int32:
        raise ValueError(
            f"weight and bias must be a matrix of int8 and int32, not {weight.ndim}-d "
            f"{weight.dtype} and {bias.dtype}"
        )
    if bias.shape != weight.shape[:1] or multiplier.shape != bias.shape:
        raise ValueError(
            f"bias and multiplier must have one value per output channel {weight.shape[0]}, "
            f"not {bias.shape} and {multiplier.shape}"
        )
    if weight.size and int(weight.min()) < -127:
        raise ValueError("weight must be in [-127, 127], not -128")
    check_accumulator("projection", weight, bias)


def flatten(params: Any) -> dict[str, Array]:
    """Name every array of a parameter dataclass, in field order."""
    leaves: dict[str, Array] = {}
    for field in fields(params):
        value = getattr(params, field.name)
        if is_dataclass(value):
            leaves.update({f"{field.name}.{name}": leaf for name, leaf in flatten(value).items()})
        elif value is not None:
            leaves[field.name] = np.asarray(value, np.int64) if isinstance(value, int) else value
    return leaves


def unflatten(cls: type[T], leaves: Mapping[str, Array]) -> T:
    """Build the dataclass `cls` from the names of `flatten`.

    Raises ValueError when a name is missing or left over, or a constant breaks its own check.
    """
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    used: set[str] = set()
    for name, hint in hints.items():
        inner = {leaf: leaves[leaf] for leaf in leaves if leaf.split(".")[0] == name}
        used |= inner.keys()
        if get_origin(hint) in (Union, types.UnionType):
            if not inner:
                values[name] = None
                continue
            hint = next(arg for arg in get_args(hint) if arg is not type(None))
        if is_dataclass(hint):
            if name in inner:
                raise ValueError(f"{cls.__name__} has no parameter {name}, only below it")
            below = {leaf[len(name) + 1 :]: value for leaf, value in inner.items() if "." in leaf}
            values[name] = unflatten(cast(type[Any], hint), below)
        elif name not in inner:
            raise ValueError(f"parameter {name} of {cls.__name__} is missing")
        elif hint is int:
            if inner[name].shape != () or inner[name].dtype != np.int64:
                raise ValueError(f"parameter {name} of {cls.__name__} must be one int64")
            values[name] = int(inner[name])
        else:
            values[name] = inner[name]
        if not is_dataclass(hint) and (below_leaf := sorted(inner.keys() - {name})):
            raise ValueError(f"{cls.__name__} has no parameter {below_leaf[0]}")
    if left := sorted(leaves.keys() - used):
        raise ValueError(f"{cls.__name__} has no parameter {left[0]}")
    return cls(**values)
