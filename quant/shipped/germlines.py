"""Antibody sequences to calibrate and to evaluate on: human germline genes, joined and mutated.

The genes are read out of the package `abnumber` as literals. A V gene, a drawn third loop and a J
gene make a chain, up to 12 % of whose residues are replaced. Whole genes are held out.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path
from random import Random
from typing import Any, Final

_FILE: Final = "abnumber/germlines.py"
# Residues of third loops, the frequent ones more often.
_LOOP: Final = "AAADDDEFGGGGGHIKLMNPPQRRSSSSTTVVWYYYYYY"
_RESIDUES: Final = "ACDEFGHIKLMNPQRSTVWY"
_HELD_OUT: Final = 4  # one gene in this many
_MUTATED: Final = 0.12
CALIBRATION, HELD_OUT = 400, 200


def genes(packages: Path) -> dict[str, dict[str, dict[str, str]]]:
    """{"V": {chain: {gene: residues}}, "J": ...} of chains H, K and L."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for node in ast.parse((packages / _FILE).read_text(encoding="utf-8")).body:
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        name = node.targets[0].id
        if name in ("HUMAN_IMGT_IG_V", "HUMAN_IMGT_IG_J"):
            table: dict[str, Any] = ast.literal_eval(node.value)
            found[name[-1]] = {
                chain: {
                    gene: text.replace("-", "") for gene, text in v["aligned_sequences"].items()
                }
                for chain, v in table.items()
            }
    return found


def held_out(gene: str) -> bool:
    """Whether all alleles of a gene such as IGHV1-18*01 are held out."""
    return hashlib.sha256(gene.partition("*")[0].encode()).digest()[0] % _HELD_OUT == 0


def chains(packages: Path, kinds: str, held: bool, count: int) -> list[str]:
    """`count` sequences of the chain kinds in `kinds` (of "HKL"), residues apart by spaces."""
    table = genes(packages)
    random = Random(f"{kinds}:{held}")

    def pick(values: Any) -> Any:
        return values[int(random.random() * len(values))]

    made: list[str] = []
    while len(made) < count:
        kind = pick(kinds)
        variable = pick([g for g in table["V"][kind] if held_out(g) == held])
        loop = "".join(pick(_LOOP) for _ in range(int(3 + random.random() * 12)))
        loop = loop if kind == "H" else loop[: len(loop) // 4]
        text = table["V"][kind][variable] + loop + pick(list(table["J"][kind].values()))
        share = random.random() * _MUTATED
        residues = [pick(_RESIDUES) if random.random() < share else letter for letter in text]
        made.append(" ".join(residues))
    return made


def write_texts(packages: Path, folder: Path, kinds: str) -> None:
    """Write calibration.txt and heldout.txt, one sequence a line."""
    for name, held, count in (("calibration", False, CALIBRATION), ("heldout", True, HELD_OUT)):
        lines = chains(packages, kinds, held, count)
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
