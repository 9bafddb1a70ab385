"""What `transfab build` prints of boards and of estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfab.cli import show

if TYPE_CHECKING:
    from transfab.hls.cycles import Estimate
    from transfab.hls.folder import Request
    from transfab.hls.targets import Target


def print_targets(json: bool) -> None:
    """The boards, their limits and recipes."""
    from transfab.hls.targets import TARGETS, UNVERIFIED, VERSIONS

    if json:
        show.emit_json(
            {
                "targets": [
                    {
                        "name": one.name,
                        "flow": one.flow,
                        "part": one.part,
                        "platform": one.platform,
                        "mhz": one.mhz,
                        "slices": one.slices,
                        "blocks": one.blocks,
                        "urams": one.urams,
                        "preset": one.recipe.preset,
                        "plan": one.recipe.plan,
                        "engine": one.recipe.engine.as_dict(),
                    }
                    for one in TARGETS.values()
                ]
            }
        )
        return
    columns = dict.fromkeys(("target", "part", "platform", "recipe"), "left")
    columns |= dict.fromkeys(("S", "MHz", "DSP", "BRAM36", "URAM"), "right")
    show.table(
        f"boards, for Vitis and Vivado {VERSIONS}; {UNVERIFIED}",
        columns,
        [
            [
                one.name,
                one.part,
                one.platform,
                f"{one.recipe.preset}, plan {one.recipe.plan}",
                *map(str, (one.recipe.engine.sequence, one.mhz, one.slices, one.blocks, one.urams)),
            ]
            for one in TARGETS.values()
        ],
    )


def print_estimates(request: Request, json: bool) -> None:
    """Each kernel of a plan on the engine's longest sequence."""
    target = request.target
    found = request.estimates()
    if json:
        show.emit_json(
            {
                "figures": [
                    {**vars(figure), "name": f"{one.top}.{figure.name}"}
                    for one in found
                    for figure in one.figures(target.dsp, target.mhz)
                ]
            }
        )
        return
    for one in found:
        _print_estimate(one, target)


def _print_estimate(one: Estimate, target: Target) -> None:
    from transfab.hls.estimate.loops import ASSUMED

    cells = [
        [
            stage.name if number == 0 else "",
            process.name,
            f"{process.units or ''}",
            f"{process.product_cycles:,}" if process.units else "",
            f"{process.cycles:,}",
            "slowest" if process is one.slowest else "",
        ]
        for stage in one.stages
        for number, process in enumerate(stage.processes)
    ]
    show.table(
        f"{one.top}, S = {one.rows}: estimated cycles of each operator",
        {
            "stage": "left",
            "operator": "left",
            "products a cycle": "right",
            "product steps": "right",
            "cycles": "right",
            "": "left",
        },
        cells,
    )
    dsp = target.dsp
    print(
        f"estimated for {target.name} at {target.mhz} MHz (assumed):\n"
        f"  interval {one.interval:,} cycles, {one.milliseconds(target.mhz)[0]:.3f} ms; latency "
        f"{one.latency:,} cycles, {one.milliseconds(target.mhz)[1]:.3f} ms\n"
        f"  {one.units:,} products a cycle, {one.ideal_share:.1%} of them useful\n"
        f"  {one.slices(dsp):,} of {target.slices:,} {dsp.name}"
        + (f", {one.slices(dsp, False):,} if no two products share one" if dsp.packs else "")
        + f"; {one.blocks:,} of {target.blocks:,} BRAM36; {one.memory_bits / 1e6:.1f} Mbit\n"
        f"  assumed: {ASSUMED}\n"
    )
