"""Rebuilds the packaged text files from the unpacked packages that README.md names.

The output depends on the bytes of those packages and of the vocabulary alone, so a second
run gives the same files byte for byte.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import NamedTuple

from transfab.quant.corpus.prose import TokenCounter, balanced, names_code
from transfab.quant.corpus.sources import (
    Document,
    addresses,
    chapters,
    glosses,
    manual_pages,
    spread,
)

HELDOUT_EVERY = 5  # the fifth, tenth, ... document of a source, in its own order, is held out
OVERLAP_WORDS = 10  # a held-out text shares no run of so many words with a calibration text
SENTENCE_TOKENS = (6, 60)
PARAGRAPH_TOKENS = (128, 200)
PASSAGE_TOKENS = (512, 700)


class Quota(NamedTuple):
    """How many texts of each class one source gives to one split."""

    sentences: int
    paragraphs: int
    passages: int


class Texts(NamedTuple):
    """The texts of one source and split, by class."""

    sentences: list[str]
    paragraphs: list[str]
    passages: list[str]


QUOTAS = {
    "calibration": {"prose": Quota(3500, 32, 32), "glosses": Quota(3500, 0, 0)},
    "heldout": {"prose": Quota(300, 32, 20), "glosses": Quota(300, 0, 0)},
}


def dovetail(lists: Iterable[Iterable[str]]) -> Iterator[str]:
    """One text of each list in turn until all are used up."""
    for row in zip_longest(*lists):
        yield from (text for text in row if text is not None)


class Chooser:
    """Picks texts, each once, and keeps the held-out ones clear of the calibration ones."""

    def __init__(self, count: TokenCounter) -> None:
        self._count = count
        self._texts: set[str] = set()
        self._calibration_runs: set[str] = set()
        self._calibration: list[str] = []

    def choose(self, documents: list[Document], quota: Quota, split: str) -> Texts:
        """The first texts of each class, taking one of each document in turn."""
        left = [[list(run) for run in document.runs] for document in spread(documents)]
        passages = self._cut(left, quota.passages, PASSAGE_TOKENS, split)
        paragraphs = self._cut(left, quota.paragraphs, PARAGRAPH_TOKENS, split)
        rest = dovetail([balanced(text) for run in runs for text in run] for runs in left)
        accepted = (
            text
            for text in rest
            if not names_code(text) and self._accept(text, SENTENCE_TOKENS, split)
        )
        chosen = Texts(list(islice(accepted, quota.sentences)), paragraphs, passages)
        for label, texts, wanted in zip(Texts._fields, chosen, quota, strict=True):
            if len(texts) < wanted:
                raise SystemExit(
                    f"build: {documents[0].name} and its like give {len(texts)} of {wanted} "
                    f"{split} {label}; give the packages that README.md names"
                )
        return chosen

    def _cut(
        self, left: list[list[list[str]]], wanted: int, bounds: tuple[int, int], split: str
    ) -> list[str]:
        """Texts of several sentences, one of each document a round; they leave `left`."""
        chosen: list[str] = []
        progress = True
        while progress and len(chosen) < wanted:
            progress = False
            for runs in left:
                for run in runs:
                    size = self._prefix(run, bounds)
                    if size and len(chosen) < wanted:
                        text = " ".join(run[:size])
                        del run[:size]
                        progress = True
                        if self._accept(text, bounds, split):
                            chosen.append(text)
                        break
        return chosen

    def _prefix(self, sentences: list[str], bounds: tuple[int, int]) -> int:
        """How many first sentences reach the lower bound, or 0 where none or too many do."""
        total = 2
        for size, sentence in enumerate(sentences, 1):
            total += self._count(sentence) - 2
            if total > bounds[1]:
                return 0
            # A margin, so that a tokenizer that differs in a detail still reaches the bound.
            if total >= bounds[0] + 4 and " ".join(sentences[:size]).count('"') % 2 == 0:
                return size
        return 0

    def _accept(self, text: str, bounds: tuple[int, int], split: str) -> bool:
        key = text.lower()
        words = re.findall(r"[a-z0-9']+", key)
        runs = {
            " ".join(words[at : at + OVERLAP_WORDS])
            for at in range(max(1, len(words) - OVERLAP_WORDS + 1))
        }
        if key in self._texts or not bounds[0] <= self._count(text) <= bounds[1]:
            return False
        if split == "calibration":
            self._calibration_runs |= runs
            self._calibration.append(" ".join(words))
        elif runs & self._calibration_runs or (
            len(words) < OVERLAP_WORDS and any(" ".join(words) in t for t in self._calibration)
        ):
            return False
        self._texts.add(key)
        return True


def main(arguments: list[str] | None = None) -> int:
    """Writes the six text files."""
    parser = argparse.ArgumentParser(prog="build", description=__doc__)
    readers: dict[str, Callable[[Path], list[Document]]] = {
        "sotu": addresses,
        "moby": chapters,
        "python": manual_pages,
        "wordnet": glosses,
    }
    for name in readers:
        parser.add_argument(
            f"--{name}", type=Path, required=True, metavar="DIR", help="the unpacked package"
        )
    parser.add_argument(
        "--vocab", type=Path, required=True, metavar="FILE", help="uncased BERT vocab.txt"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, metavar="DIR", help="written to"
    )
    options = parser.parse_args(arguments)
    sources = {name: reader(getattr(options, name)) for name, reader in readers.items()}
    chooser = Chooser(TokenCounter(options.vocab))
    for split, quotas in QUOTAS.items():
        chosen = []
        for name, documents in sources.items():
            mine = [
                document
                for index, document in enumerate(documents, 1)
                if (index % HELDOUT_EVERY == 0) == (split == "heldout")
            ]
            kind = "glosses" if name == "wordnet" else "prose"
            chosen.append(chooser.choose(mine, quotas[kind], split))
            print(f"{split} {name}: {len(mine)} documents")
        for index, label in enumerate(Texts._fields):
            lines = list(dovetail(texts[index] for texts in chosen))
            target = options.out / f"{split}.{label}.txt"
            target.write_bytes("".join(f"{line}\n" for line in lines).encode())
            print(f"{target.name}: {len(lines)} texts, {target.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
