"""The committed files of bitstreams/: manifest.json, and each target's link files and Makefile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from transfab.hls.folder import Request, link_files, makefile
from transfab.hls.targets import PLANS, TARGETS, VERSIONS
from transfab.quant.bitstreams import Bitstreams, recipe
from transfab.quant.random_source import RandomSource

RESIDUAL_BITS = 16


def requests() -> Iterator[Request]:
    """Each target with the plan of its recipe, and with two boards."""
    for target in TARGETS.values():
        config = RandomSource(target.recipe.preset).config(RESIDUAL_BITS)
        for name in dict.fromkeys((target.recipe.plan, "two")):
            yield Request(target, PLANS[name], config, target.recipe.engine)


def recipe_files() -> dict[str, str]:
    """Text of every generated file of bitstreams/ by its path; the same texts each time."""
    files, entries = {}, []
    for request in requests():
        target, plan = request.target, request.plan
        folder = f"{target.name}/{plan.name}"
        files[f"{folder}/Makefile"] = makefile(request)
        if target.flow == "vitis":
            files |= {f"{folder}/{name}": text for name, text in link_files(request).items()}
        for kernels in plan.boards:
            entries.append(
                recipe(
                    target.name,
                    plan.name,
                    kernels,
                    request.products(kernels)[0],
                    request.config,
                    request.engine,
                    f"{'Vitis' if target.flow == 'vitis' else 'Vivado'} {VERSIONS}",
                    target.mhz,
                )
            )
    files["manifest.json"] = Bitstreams(bitstreams=entries).to_bytes().decode()
    return files


def write_recipes(folder: Path) -> list[str]:
    """Write them below a folder; files of other names there stay."""
    files = recipe_files()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return sorted(files)
