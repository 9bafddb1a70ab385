"""Prove everything, or what is named, and print the table of docs/formal.md.

    python -m transfab.rtl.formal [NAME ...] [--long]

Exits with 1 if a proof fails. Proofs of more than about 10 s run with --long, or by name.
"""

from __future__ import annotations

import argparse
import sys

from transfab.rtl.formal.lemmas import LEMMAS
from transfab.rtl.formal.proofs import PROOFS
from transfab.rtl.formal.prove import Outcome, lemma, missing, prove


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m transfab.rtl.formal")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--long", action="store_true", help="also what takes more than 10 s")
    given = parser.parse_args(arguments)
    known = [*(proof.key for proof in PROOFS), *(f"{name} lemma" for name in LEMMAS)]
    for name in given.names:
        if name not in known:
            parser.error(f"proof must be one of {', '.join(known)}, not {name}")
    if lack := missing():
        print(lack, file=sys.stderr)
        return 1
    print("| proof | property | kind | seconds | |\n|---|---|---|---|---|", flush=True)
    proved = True
    for proof in PROOFS:
        if proof.key in given.names or (not given.names and (given.long or not proof.slow)):
            outcome = prove(proof)
            proved &= outcome.proved
            print(row(proof.key, proof.claim, proof.kind, outcome), flush=True)
    for name, (claim, text) in LEMMAS.items():
        if not given.names or f"{name} lemma" in given.names:
            outcome = lemma(text)
            proved &= outcome.proved
            print(row(f"{name} lemma", claim, "over integers", outcome), flush=True)
    return 0 if proved else 1


def row(name: str, claim: str, kind: str, outcome: Outcome) -> str:
    """A line of the table."""
    verdict = "proved" if outcome.proved else "not closed" if outcome.reached else "FAILS"
    return f"| `{name}` | {claim} | {kind} | {outcome.seconds:.1f} | {verdict} |"


if __name__ == "__main__":
    sys.exit(main())
