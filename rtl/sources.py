"""Which files of `rtl/` a module needs: those that name what it names, packages first.

One module or package a file, called like it, so that a file is found by the name alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parent
# Generated for a build, in no folder (quant.contract.codegen).
GENERATED: Final = "transfab_pkg"


def modules(folder: Path = SOURCES) -> list[str]:
    """Names of all modules, without packages."""
    return sorted(path.stem for path in folder.glob("*.sv") if not path.stem.endswith("_pkg"))


def sources_of(top: str, folders: tuple[Path, ...] = (SOURCES,)) -> list[Path]:
    """Files that `top` needs, each behind those that it names; its own is the last.

    folders  that are searched, the first that has a name wins

    Raises ValueError if none has the top.
    """
    files = {path.stem: path for folder in reversed(folders) for path in folder.glob("*.sv")}
    if top not in files:
        raise ValueError(f"module must be one of {', '.join(sorted(files))}, not {top}")
    ordered: dict[str, Path] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        for word in _words(files[name]):
            if word in files and word not in (*above, name) and word not in ordered:
                visit(word, (*above, name))
        ordered[name] = files[name]

    visit(top, ())
    # A package may be named by its users only: none of them stands before it this way.
    return sorted(ordered.values(), key=lambda path: not path.stem.endswith("_pkg"))


def _words(path: Path) -> list[str]:
    """What a file may instantiate or import, in order: `name #(`, `name other (`, `name::`."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return list(dict.fromkeys(re.findall(r"\b([A-Za-z_]\w*)(?=\s*#\s*\(|\s+\w+\s*\(|\s*::)", text)))
