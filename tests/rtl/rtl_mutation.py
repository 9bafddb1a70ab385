"""Broken RTL, many mutants in one model: which one is at work is chosen when it runs.

    {{old}}       ->  (transfab_mutant_pkg::selected == 7 ? (new) : (old))
    statement;    ->  if (transfab_mutant_pkg::selected == 7) begin new end else begin old end

With none selected the model is the RTL that it was made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from stream_oracle import Build

from transfab.quant.contract.codegen import sv_package
from transfab.rtl.sources import GENERATED, SOURCES, sources_of
from transfab.sim.model import Model
from transfab.sim.model_build import MODULES, Design

PACKAGE = """package transfab_mutant_pkg;
  import "DPI-C" function int transfab_selected();
  int selected = transfab_selected();
endpackage
"""
SELECTED = Path(__file__).with_name("selected.cpp")


class Mutant(NamedTuple):
    """A module of rtl, an anchor that stands in it once, what replaces its changed part.

    old  statements, or a text with the one expression that changes in double braces
    """

    module: str
    old: str
    new: str


def _parts(text: str, mutant: Mutant) -> tuple[int, str, bool]:
    """Where the changed part stands, the part, and whether it is an expression."""
    before, braces, rest = mutant.old.partition("{{")
    inside, _, after = rest.partition("}}") if braces else (mutant.old, "", "")
    anchor = before + inside + after if braces else inside
    times = text.count(anchor)
    if times != 1:
        raise ValueError(f"{mutant.module} must hold {anchor!r} once, not {times} times")
    start = text.index(anchor) + (len(before) if braces else 0)
    return start, inside, bool(braces)


def _replaced(text: str, mutant: Mutant, number: int) -> tuple[int, int, str]:
    """Where the changed part stands and ends, and what stands there instead."""
    start, old, expression = _parts(text, mutant)
    chosen = f"transfab_mutant_pkg::selected == {number}"
    if expression:
        made = f"({chosen} ? ({mutant.new}) : ({old}))"
    else:
        made = f"if ({chosen}) begin {mutant.new} end else begin {old} end"
    return start, start + len(old), made


def broken_by(folder: Path, mutant: Mutant) -> tuple[Path, ...]:
    """Folders in which a module is a mutant, whatever is selected."""
    text = (SOURCES / f"{mutant.module}.sv").read_text(encoding="utf-8")
    start, old, _ = _parts(text, mutant)
    changed = text[:start] + mutant.new + text[start + len(old) :]
    (folder / f"{mutant.module}.sv").write_text(changed, encoding="utf-8")
    return folder, SOURCES


def mutate(folder: Path, mutants: Mapping[int, Mutant]) -> None:
    """Write the modules that mutants change, each with all of its own."""
    changes: dict[str, list[tuple[int, int, str]]] = {}
    for number, mutant in mutants.items():
        text = (SOURCES / f"{mutant.module}.sv").read_text(encoding="utf-8")
        changes.setdefault(mutant.module, []).append(_replaced(text, mutant, number))
    for module, made in changes.items():
        text = (SOURCES / f"{module}.sv").read_text(encoding="utf-8")
        above = len(text)
        for start, end, new in sorted(made, reverse=True):
            assert end <= above, f"two mutants of {module} change one text"
            text, above = text[:start] + new + text[end:], start
        (folder / f"{module}.sv").write_text(text, encoding="utf-8")


def mutated_model(build: Build, top: str, folder: Path, mutants: Iterable[Mutant]) -> Model:
    """A top with its mutants, numbered from 1 in their order."""
    mutate(folder, dict(enumerate(mutants, 1)))
    config, engine = build.config(), build.engine
    module = MODULES.get(top, top)
    texts = ((f"{GENERATED}.sv", sv_package(config, engine)), ("mutant_pkg.sv", PACKAGE))
    sources = tuple(sources_of(module, (folder, SOURCES)))
    design = Design(module, sources, texts, cpp=(SELECTED,))
    return Model(config, engine, top, design=design)
