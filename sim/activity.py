"""What each unit of the RTL does in a cycle: busy cycles, and a picture of one sequence.

A unit is busy in the cycles in which a row enters its array, or a word leaves it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from transfab.quant.contract.tops import TOPS
from transfab.quant.intmath import Array

if TYPE_CHECKING:
    from transfab.sim.model import SimulationResult

# Of a stage, from the lowest bit of its `activity` on; a top has those of its stages in order.
UNITS: Final = {
    "qkv": ("narrow", "product"),
    "attention": ("scores", "context", "projection", "softmax", "norm"),
    "intermediate": ("narrow", "product"),
    "output": ("product", "norm"),
}
# Columns of a picture: a cycle may be less than a pixel.
COLUMNS: Final = 2000


def units_of(top: str) -> list[tuple[str, str]]:
    """Stage and unit of each bit of a top's activity, from the lowest on."""
    return [(stage, unit) for stage in TOPS[top].stages for unit in UNITS[stage]]


def busy_cycles(top: str, activity: Array, first: int, last: int) -> dict[tuple[str, str], int]:
    """Cycles in [first, last) in which each unit of a top is at work.

    activity  (N, 2) int64   as `SimulationResult` has it
    """
    starts, ends = activity[:, 0], np.append(activity[1:, 0], np.iinfo(np.int64).max)
    lengths = np.clip(np.minimum(ends, last) - np.maximum(starts, first), 0, None)
    return {
        unit: int(lengths[(activity[:, 1] >> bit & 1) != 0].sum())
        for bit, unit in enumerate(units_of(top))
    }


def shares(top: str, activity: Array, edges: Sequence[int]) -> Array:
    """Share of the cycles between two edges in which each unit works: (units, edges - 1) float."""
    made = [
        list(busy_cycles(top, activity, first, last).values())
        for first, last in itertools.pairwise(edges)
    ]
    found: Array = np.array(made, float).T / np.diff(edges)
    return found


def draw_timeline(path: Path, top: str, result: SimulationResult, title: str) -> None:
    """Write a picture of what each unit does in each cycle, one line a unit, as PNG, SVG or PDF.

    Sequences have colours in turn, by the beats of the ports. Raises ValueError without
    matplotlib, or for a top that does not say what works.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as err:
        raise ValueError(
            "a timeline needs matplotlib: pip install 'transfab[eval]', or leave out --timeline"
        ) from err
    if len(result.activity) == 0 or not result.activity[:, 1].any():
        raise ValueError(f"top {top} does not say what its units do: only the RTL of this project")
    first = min(spans[0][0] for spans in result.spans.values())
    last = result.spans[TOPS[top].output][-1][1] + 1
    edges = np.unique(np.linspace(first, last, COLUMNS + 1).astype(int)).tolist()
    units = units_of(top)
    ports = [*result.spans]
    figure = Figure(figsize=(12, 1 + 0.3 * (len(units) + len(ports))), layout="constrained")
    axes: Any = figure.add_subplot()
    axes.imshow(
        shares(top, result.activity, edges),
        aspect="auto",
        cmap="Blues",
        vmin=0,
        vmax=1,
        interpolation="nearest",
        extent=(edges[0], edges[-1], len(units), 0),
    )
    for row, port in enumerate(ports):
        for number, (start, end) in enumerate(result.spans[port]):
            at = len(units) + row + 0.15
            axes.broken_barh([(start, end - start + 1)], (at, 0.7), color=f"C{number % 10}")
    axes.set_ylim(len(units) + len(ports), 0)
    axes.set_xlim(edges[0], edges[-1])
    names = [f"{stage} {unit}" for stage, unit in units] + [f"port {port}" for port in ports]
    axes.set_yticks([row + 0.5 for row in range(len(names))], names)
    axes.set_xlabel(
        "cycle (simulated); ports: a colour a sequence, from its first beat to its last"
    )
    axes.set_title(title)
    figure.savefig(path)
