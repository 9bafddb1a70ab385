"""The held-out texts by length class, none of which calibration saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transfab.quant.corpus import packaged, read_texts
from transfab.quant.sources import Source

# Texts of each packaged class by default: sentences, paragraphs, passages.
HELD_OUT: Final = (500, 40, 20)


@dataclass(frozen=True)
class LengthClass:
    """Token ids of texts of like length, shortest first: neighbours pad little."""

    name: str
    sequences: tuple[list[int], ...]

    @property
    def tokens(self) -> int:
        return sum(len(tokens) for tokens in self.sequences)


def same_text(text: str) -> str:
    """What two texts share that differ in case and white space only."""
    return " ".join(text.casefold().split())


def unseen(texts: Iterable[str], calibration: Iterable[str]) -> list[str]:
    """The texts that are not among the calibration texts."""
    known = {same_text(text) for text in calibration}
    return [text for text in texts if same_text(text) not in known]


def held_out(
    source: Source,
    calibration: Sequence[str],
    counts: tuple[int, int, int] = HELD_OUT,
    path: Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> list[LengthClass]:
    """Texts to evaluate on: the packaged ones by class, or those of a file as one class.

    calibration  the texts that calibration sees; such a text is left out
    counts       sentences (class short), paragraphs (cut to 128 tokens), passages (to 512)
    path         UTF-8 file, one text a line, instead; each is cut to what the model takes

    Raises ValueError where no text is left, where there are fewer packaged texts than asked for
    and for a file that is not UTF-8 text.
    """
    longest = source.longest
    given: list[tuple[str, int, tuple[str, ...]]]
    if path is not None:
        given = [(path.stem, longest, read_texts(path))]
    else:
        sentences, paragraphs, passages = counts
        given = [
            ("short", longest, packaged("heldout", sentences, 0, 0)),
            ("128", 128, packaged("heldout", 0, paragraphs, 0)),
            ("512", 512, packaged("heldout", 0, 0, passages)),
        ]
    classes, seen = [], 0
    for name, cut, texts in given:
        if texts and cut > longest:
            progress(f"class {name} left out: the model takes {longest} tokens")
            continue
        kept = unseen(texts, calibration)
        if dropped := len(texts) - len(kept):
            progress(f"class {name}: {dropped} texts left out, calibration saw them")
            seen += dropped
        sequences = sorted((source.tokens(text)[:cut] for text in kept), key=len)
        if sequences:
            classes.append(LengthClass(name, tuple(sequences)))
    if classes:
        return classes
    if seen:
        raise ValueError(
            f"no held-out text is left: all {seen} are among the calibration texts; "
            "give others with --text or --calibration"
        )
    raise ValueError(
        f"no held-out text is left of classes that a model of {longest} tokens takes: "
        "ask for more --sentences, --paragraphs or --passages"
    )
