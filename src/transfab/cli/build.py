"""`transfab build`: kernels and bitstreams of a board, and what they should cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transfab.cli import engines, show, synthesis, targets

if TYPE_CHECKING:
    from transfab.hls.folder import Request
    from transfab.hls.targets import Target
    from transfab.quant.config import LayerConfig
    from transfab.quant.engine import Engine


def command(
    target: Annotated[str | None, typer.Option(help="Board, such as u280; see --list.")] = None,
    plan: Annotated[
        str | None, typer.Option(help="one, split or two; by default the board's recipe.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Bundle whose layers the kernels are for.")
    ] = None,
    random: Annotated[
        str | None, typer.Option(help="A preset such as bert-tiny instead of a bundle.")
    ] = None,
    residual: Annotated[int, typer.Option(help="Bits of the residual stream of --random.")] = 16,
    engine: Annotated[
        Path | None,
        typer.Option(
            help="JSON file of tiles and limits, or a build.json; by default the recipe's."
        ),
    ] = None,
    sequence: Annotated[
        int | None, typer.Option(help="Longest sequence of the build; by default the engine's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; by default build/TARGET-PLAN.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write the folder and run no tool.")
    ] = False,
    force: Annotated[bool, typer.Option(help="Replace another build of that name.")] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Print estimated cycles and resources, no more.")
    ] = False,
    resources: Annotated[
        bool,
        typer.Option("--resources", help="Synthesize modules of rtl/ with Yosys, minutes each."),
    ] = False,
    recipes: Annotated[
        bool, typer.Option("--recipes", help="Write the files of bitstreams/ to --out, no more.")
    ] = False,
    listing: Annotated[bool, typer.Option("--list", help="Print the boards, no more.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write the build folder of a board and run AMD's tools on it where they are."""
    if sum((listing, recipes, resources, estimate, dry_run)) > 1:
        raise ValueError("give one of --list, --recipes, --resources, --estimate and --dry-run")
    if listing:
        targets.print_targets(json)
        return
    if resources:
        synthesis.print_resources(json)
        return
    if recipes:
        _write_recipes(out, json)
        return
    from transfab.hls.flow import run, write_folder
    from transfab.hls.folder import check_request

    request = _request(
        target or "u280" if estimate else target, plan, config, random, residual, engine, sequence
    )
    if estimate:
        targets.print_estimates(request, json)
        return
    check_request(request)
    step = show.progress()
    folder = out or Path("build") / f"{request.target.name}-{request.plan.name}"
    written = write_folder(request, folder, force)
    step(f"{'wrote' if written else 'found'} {folder}: {request.target.name}, {request.plan.text}")
    made = {} if dry_run else run(request, folder, step)
    if json:
        show.emit_json(
            {"folder": str(folder), "dry_run": dry_run, "made": made, **request.as_dict()}
        )
        return
    print(f"{folder}: build {request.hash}, config {request.config.hash}, {request.plan.text}")
    for name in request.as_dict()["products"]:
        print(f"  {name}  {made.get(name, 'not built: make -C ' + str(folder))}")


def _request(
    target: str | None,
    plan: str | None,
    bundle: Path | None,
    random: str | None,
    residual: int,
    engine: Path | None,
    sequence: int | None,
) -> Request:
    """What the options ask for; ValueError for what they cannot."""
    from transfab.hls.folder import Request
    from transfab.hls.targets import plan_named, target_named

    if target is None:
        raise ValueError("give a --target; transfab build --list prints them")
    chosen = target_named(target)
    return Request(
        chosen,
        plan_named(plan or chosen.recipe.plan),
        _config(chosen, bundle, random, residual),
        _engine(chosen, engine, sequence),
    )


def _config(target: Target, bundle: Path | None, random: str | None, residual: int) -> LayerConfig:
    from transfab.quant.bundle import read_bundle
    from transfab.quant.random_source import RandomSource

    if bundle is not None and random is not None:
        raise ValueError(f"give --config or --random, not both {bundle} and {random}")
    if bundle is not None:
        return read_bundle(bundle).config
    return RandomSource(random or target.recipe.preset).config(residual)


def _engine(target: Target, path: Path | None, sequence: int | None) -> Engine:
    if path is not None:
        return engines.read_engine(path, sequence)
    usual = target.recipe.engine
    return usual if sequence is None else replace(usual, sequence=sequence)


def _write_recipes(out: Path | None, json: bool) -> None:
    from transfab.hls.recipes import write_recipes

    if out is None:
        raise ValueError("give --out with --recipes, such as --out bitstreams")
    files = write_recipes(out)
    if json:
        show.emit_json({"folder": str(out), "files": files})
    else:
        print(f"wrote {len(files)} files of recipes to {out}")
