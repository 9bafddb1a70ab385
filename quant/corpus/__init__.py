"""The packaged English texts for calibration and evaluation, and a user's own text file.

The texts of the two splits come from different documents; README.md beside this file names the
sources, LICENSES.txt their terms.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

__all__ = ["Split", "digest", "packaged", "paragraphs", "passages", "read_texts", "sentences"]

Split = Literal["calibration", "heldout"]


def sentences(split: Split) -> tuple[str, ...]:
    """All packaged sentences and dictionary entries of a split, in their fixed order.

    split    Split            "calibration" or "heldout"
    returns  tuple[str, ...]  texts of 6 to 60 tokens, the sources in turn
    raises   ValueError       another split
    """
    return _texts(split, "sentences")


def paragraphs(split: Split) -> tuple[str, ...]:
    """All packaged paragraphs of a split, in their fixed order.

    split    Split            "calibration" or "heldout"
    returns  tuple[str, ...]  texts of 128 to 200 tokens, the sources in turn
    raises   ValueError       another split
    """
    return _texts(split, "paragraphs")


def passages(split: Split) -> tuple[str, ...]:
    """All packaged passages of a split, in their fixed order.

    split    Split            "calibration" or "heldout"
    returns  tuple[str, ...]  texts of 512 to 700 tokens, the sources in turn
    raises   ValueError       another split
    """
    return _texts(split, "passages")


def packaged(split: Split, sentences: int, paragraphs: int, passages: int) -> tuple[str, ...]:
    """The first texts of each class: sentences, then paragraphs, then passages.

    split       Split            "calibration" or "heldout"
    sentences   int              how many texts of 6 to 60 tokens
    paragraphs  int              how many texts of 128 to 200 tokens
    passages    int              how many texts of 512 to 700 tokens
    returns     tuple[str, ...]  sentences + paragraphs + passages texts
    raises      ValueError       another split, a negative count, more than there is
    """
    asked = {"sentences": sentences, "paragraphs": paragraphs, "passages": passages}
    chosen: list[str] = []
    for label, count in asked.items():
        texts = _texts(split, label)
        if not 0 <= count <= len(texts):
            raise ValueError(
                f"{label}={count}: the packaged {split} split holds 0 to {len(texts)} {label}; "
                f"ask for {len(texts)} or fewer, or give a text file of your own"
            )
        chosen.extend(texts[:count])
    return tuple(chosen)


def read_texts(path: Path) -> tuple[str, ...]:
    """The texts of a user's own UTF-8 file, one text a line, blank lines dropped.

    path     Path             the file
    returns  tuple[str, ...]  the lines without surrounding white space, at least one
    raises   ValueError       not found, a folder, unreadable, not UTF-8, NUL bytes, no text
    """
    shown = str(path)
    rule = "a text file holds UTF-8, one text a line"
    if path.is_dir():
        raise ValueError(f"{shown!r}: is a folder, and {rule}; name a file in it")
    if not path.exists():
        raise ValueError(f"{shown!r}: not found; {rule}; check the path")
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "unknown error"
        raise ValueError(f"{shown!r}: cannot be read ({reason}); {rule}; check its mode") from error
    if (nul := data.find(b"\0")) >= 0:
        raise ValueError(
            f"{shown!r}: NUL byte at offset {nul}; {rule}; remove it or save the file as UTF-8"
        )
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{shown!r}: byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8; "
            f"{rule}; save the file as UTF-8"
        ) from error
    lines = (line.strip() for line in re.split(r"\r\n|\n|\r", text))
    texts = tuple(line for line in lines if line)
    if not texts:
        raise ValueError(f"{shown!r}: holds no text; {rule}; add at least one line")
    return texts


def digest(texts: Iterable[str]) -> str:
    """The SHA-256 of a sequence of texts, each preceded by its length, so where one ends counts.

    texts    Iterable[str]  in the order that counts
    returns  str            64 hexadecimal digits
    """
    total = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()


@cache
def _texts(split: str, label: str) -> tuple[str, ...]:
    if split not in get_args(Split):
        known = " or ".join(repr(name) for name in get_args(Split))
        raise ValueError(f"split={split!r}: a packaged split is {known}; name one of them")
    text = files(__package__).joinpath(f"{split}.{label}.txt").read_text(encoding="utf-8")
    return tuple(text.removesuffix("\n").split("\n"))
