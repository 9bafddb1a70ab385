"""What `transfab build --resources` prints: modules after synthesis, and one of them placed."""

from __future__ import annotations

from dataclasses import asdict

from transfab.cli import show


def print_resources(json: bool) -> None:
    """Synthesize and place what docs/resources.md lists; its two tables, or one JSON object."""
    from transfab.rtl import place, resources

    step = show.progress()
    rows = []
    for case in resources.CASES:
        step(f"synthesizing {resources.named(case)}")
        rows.append((case, resources.resources(case)))
    step(f"placing {resources.named(place.PLACED)} on an {place.DEVICE}")
    placed = place.place()
    if json:
        show.emit_json(
            {
                "synthesized": [
                    {
                        "module": case.module,
                        "parameters": dict(case.parameters),
                        "config": case.config.as_dict(),
                        "engine": case.engine.as_dict(),
                        **asdict(found),
                    }
                    for case, found in rows
                ],
                "placed": {
                    "module": place.PLACED.module,
                    "parameters": dict(place.PLACED.parameters),
                    "device": place.DEVICE,
                    **asdict(placed),
                },
            }
        )
        return
    print("Synthesized by Yosys for UltraScale+, upper bounds:\n")
    print("\n".join([*resources.HEADING, *(resources.line(*row) for row in rows)]))
    print("\nPlaced and routed by nextpnr-ecp5, estimated timing of an ECP5:\n")
    print("\n".join([*place.HEADING, place.line(place.PLACED, placed)]))
