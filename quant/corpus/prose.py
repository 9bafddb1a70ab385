"""Turns paragraphs into runs of clean sentences and counts their tokens."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path


class TokenCounter:
    """Counts the WordPiece tokens of ASCII text, [CLS] and [SEP] included."""

    def __init__(self, vocab: Path) -> None:
        self._pieces = frozenset(vocab.read_text(encoding="utf-8").splitlines())
        self._known: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """Tokens of an uncased BERT tokenizer for `text`."""
        words = re.findall(r"[a-z0-9]+|[!-/:-@\[-`{-~]", text.lower())
        return 2 + sum(self._word(word) for word in words)

    def _word(self, word: str) -> int:
        if word not in self._known:
            self._known[word] = self._split(word)
        return self._known[word]

    def _split(self, word: str) -> int:
        start = count = 0
        while start < len(word):
            prefix = "##" if start else ""
            end = len(word)
            while end > start and prefix + word[start:end] not in self._pieces:
                end -= 1
            if end == start:
                return 1
            start, count = end, count + 1
        return count


_PUNCTUATION = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2010": "-",
        "\u2011": "-",
        "\u2013": "-",
        "\u2014": " - ",
        "\u2026": "...",
        "\u00a0": " ",
        "\u00e6": "ae",
        "\u00c6": "Ae",
        "\u0153": "oe",
        "\u0152": "Oe",
        "`": "'",
    }
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|No|Nos|Gov|Gen|Sen|Rep|Col|Capt|Lt|Jr|Sr|vs|etc|cf|pp|vol|fig|approx"
    r"|e\.g|i\.e|U\.S|[A-Z]))\.$"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')]*(?=\s+[\"'(]?[A-Z0-9])")
UNWANTED = re.compile(
    r"\b(?:negro|nigg|squaw|darkey|darkie|gypsy|whore|slut|prostitut|rape[ds]?\b|raping|incest"
    r"|sex(?:ual|y|es|)\b|sexual|genital|penis|vagina|vulva|erotic|copulat|intercourse|masturbat"
    r"|ejaculat|orgasm|testic|buttock|anus\b|anal\b|feces|fecal|excre|defecat|urinat|arse\b|fuck"
    r"|shit|bitch|bastard|homosexual|lesbian|fornicat|suicide|porn|semen\b|castrat)"
    r"|\b(?:offensive (?:term|name|word|terms|names)|ethnic slur|disparag|derogatory|obscene"
    r"|vulgar|pejorative|slang)",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """One line of ASCII text where that can be had, single spaces, one form of every dash."""
    text = unicodedata.normalize("NFKD", text.translate(_PUNCTUATION))
    text = "".join(ch for ch in text if not unicodedata.combining(ch))
    text = re.sub(r"(?<=\S)\s*-{2,3}\s*", " - ", text)
    return re.sub(r"\s+", " ", text).strip()


def split_sentences(paragraph: str) -> Iterator[str]:
    """The sentences of one cleaned paragraph."""
    start = 0
    for end in (match.end() for match in _SENTENCE_END.finditer(paragraph)):
        if not _ABBREVIATION.search(paragraph[start:end]):
            yield paragraph[start:end].strip()
            start = end
    yield paragraph[start:].strip()


def balanced(text: str) -> str:
    """`text` without quotation marks and brackets whose partner it does not hold."""
    if text.count('"') % 2:
        text = text.replace('"', "")
    if text.count("(") != text.count(")"):
        text = text.strip("()")
    if text.endswith("'") and not re.search(r"(?:^|[\s(])'", text):
        text = text[:-1]
    if text.startswith("'") and not re.search(r"'(?:$|[\s,.;:)])", text):
        text = text[1:]
    return " ".join(text.split())


def usable(text: str) -> bool:
    """Whether a text is ASCII prose without code, markup or unwanted words."""
    return (
        text.isascii()
        and text.isprintable()
        and not re.search(
            r"[{}<>=|\\`#^~*@\[\]+&%]|://|\.\.\.\.|: :|\. ?[,;:.?!](?!\.)|\(,|,,", text
        )
        and text.count("(") == text.count(")")
        and sum(ch.isalpha() or ch == " " for ch in text) >= 0.86 * len(text)
        and not UNWANTED.search(text)
    )


def names_code(text: str) -> bool:
    """Whether a text names a function, a dotted attribute or a name with an underscore."""
    return bool(re.search(r"_|\(\)|\b[A-Za-z]\w*\.[A-Za-z]\w", text))


def sentence_like(text: str) -> bool:
    """Whether a text starts as a sentence does, ends as one and is not a heading in capitals."""
    return bool(re.match(r"[\"'(]?[A-Z]", text) and re.search(r"[.!?][\"')]*$", text)) and not (
        re.search(r"(?:[A-Z]{2,}\W+){3}", text)
    )


def runs_of(paragraphs: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The longest runs of consecutive usable sentences, each begun outside quotation marks."""
    runs: list[tuple[str, ...]] = []
    run: list[str] = []
    for paragraph in paragraphs:
        quoted = False
        for sentence in split_sentences(balanced(paragraph)):
            good = usable(sentence) and sentence_like(sentence)
            if good and (run or not quoted):
                run.append(sentence)
            else:
                runs.append(tuple(run))
                runs.append((sentence,) if good else ())
                run = []
            quoted ^= bool(sentence.count('"') % 2)
    runs.append(tuple(run))
    return tuple(run for run in runs if run)
