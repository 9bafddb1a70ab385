"""The deviation table of `verify` and `eval`: which tensor of which layer is worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from transfab.cli import show

if TYPE_CHECKING:
    from transfab.quant.deviation import Deviation

HELP = "Rows of the deviation table; --json has all."
LEGEND = (
    "SQNR: signal to noise against the same tensor of the float64 model; max error: largest, in\n"
    "real units and over the float tensor's RMS; saturated: share of elements at the limit of the\n"
    "width; padding does not count"
)


def check(worst: int) -> None:
    """Raise ValueError for a number of rows below 0."""
    if worst < 0:
        raise ValueError(f"--worst must be at least 0, not {worst}")


def values(rows: Sequence[Deviation]) -> list[dict[str, Any]]:
    """Rows for JSON, in their order."""
    return [asdict(row) for row in rows]


def print_table(title: str, groups: Mapping[str, Sequence[Deviation]], worst: int) -> None:
    """Print the tensors that are worst in any group, with a column of SQNR for each group.

    groups  heading -> deviations of the same tensors
    worst   rows, >= 0; nothing is printed for 0
    """
    from transfab.quant.deviation import worst_first

    tensors: dict[tuple[int, str, str], list[Deviation]] = {}
    for rows in groups.values():
        for row in rows:
            tensors.setdefault((row.layer, row.stage, row.tensor), []).append(row)
    ranked = worst_first(worst_first(found)[0] for found in tensors.values())[:worst]
    if not ranked:
        return
    columns = {"stage": "left", "tensor": "left"}
    columns |= dict.fromkeys([*groups, "max error", "/ RMS", "saturated"], "right")
    cells = []
    for row in ranked:
        found = tensors[row.layer, row.stage, row.tensor]
        shares = [each.saturated for each in found if each.saturated is not None]
        largest = max(found, key=lambda each: each.relative)
        cells.append(
            [
                f"{row.layer} {row.stage}",
                row.tensor,
                *(_decibels(each.sqnr_db) for each in found),
                f"{largest.max_error:.3g}",
                f"{largest.relative:.2f}",
                f"{100 * max(shares):.3f} %" if shares else "-",
            ]
        )
    show.table(f"{title}: worst {len(ranked)} of {len(tensors)} tensors", columns, cells)


def _decibels(value: float) -> str:
    from transfab.quant.deviation import HIGHEST_DB

    return "exact" if value == HIGHEST_DB else f"{value:.1f}"
