"""Reads the documents of the source packages that README.md names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from transfab.quant.corpus import prose

T = TypeVar("T")


class Document(NamedTuple):
    """One indivisible unit of the split: runs of consecutive sentences, in reading order."""

    name: str
    runs: tuple[tuple[str, ...], ...]


def addresses(root: Path) -> list[Document]:
    """State of the Union addresses from 1934 on, one document an address."""
    documents = []
    for path in sorted((root / "data").glob("[12]*.txt")):
        if path.name >= "1934":
            text = re.sub(
                r"[\[(](?:applause|laughter)\.?[\])]\.?", " ", path.read_text("utf-8"), flags=re.I
            )
            text = re.sub(r"(?<=[a-z][.!?])(?=[A-Z][a-z])", " ", text)
            # The first sentences are the salutation, the same every year.
            sentences = tuple(prose.split_sentences(prose.plain(text)))[4:]
            documents.append(Document(path.stem, prose.runs_of(sentences)))
    return documents


def chapters(root: Path) -> list[Document]:
    """Chapters of Moby-Dick, one document a chapter."""
    paths = (root / "data").glob("chapter_*.txt")
    documents = []
    for path in sorted(paths, key=lambda path: int(path.stem.split("_")[1])):
        paragraphs = path.read_text("utf-8").split("\n\n")[1:]
        documents.append(
            Document(path.stem, prose.runs_of(prose.plain(text) for text in paragraphs))
        )
    return documents


_PROSE_FOLDERS = (
    "extending",
    "faq",
    "howto",
    "library",
    "reference",
    "tutorial",
    "using",
    "whatsnew",
)
# The page holds a text with a dedication of its own, outside the licence of the rest.
_SKIPPED_PAGES = {"library/hashlib"}
# Descriptions of functions and the like read as lists, so only admonitions are opened.
_OPAQUE = re.compile(r"\.\.(?! +(?:note|tip|warning|important|topic|impl-detail)::)")


def manual_pages(root: Path) -> list[Document]:
    """Pages of the Python documentation, one document a page."""
    sources = root / "usr/share/doc/python3.11/html/_sources"
    documents = []
    for folder in _PROSE_FOLDERS:
        for path in sorted((sources / folder).glob("*.rst.txt")):
            name = f"{folder}/{path.name.removesuffix('.rst.txt')}"
            if name not in _SKIPPED_PAGES:
                blocks = prose_blocks(path.read_text("utf-8"))
                documents.append(Document(name, prose.runs_of(blocks)))
    return documents


def prose_blocks(source: str) -> Iterator[str]:
    """The paragraphs of a reStructuredText page, without code, tables, titles and markup."""
    skipped_indent: int | None = None
    for block in re.split(r"\n[ \t]*\n", source.expandtabs()):
        lines = [line for line in block.splitlines() if line.strip()]
        if not lines:
            continue
        indent = len(lines[0]) - len(lines[0].lstrip())
        if skipped_indent is not None and indent > skipped_indent:
            continue
        skipped_indent = None
        first = lines[0].strip()
        if first.startswith(".."):
            # The arguments and options of a directive stand in its first block.
            if _OPAQUE.match(first):
                skipped_indent = indent
            continue
        if first.startswith((">>>", "+-", "|", ":")) or any(
            re.fullmatch(r"[=\-~^\"'*#+. ]{3,}", line.strip()) for line in lines
        ):
            continue
        marker = re.match(r"(?:[*-]|#\.|\d+\.|\(\d+\)) +", first)
        if not marker and any(line.startswith(" " * (indent + 1)) for line in lines):
            # A term and its definition.
            continue
        text = " ".join(line.strip() for line in lines)
        if text.endswith("::"):
            skipped_indent = indent
        if marker:
            if len(lines) > 1 and any(re.match(r"\s*(?:[*-]|#\.) ", line) for line in lines[1:]):
                continue
            text = text[marker.end() :]
        text = prose.plain(without_markup(text))
        if text.endswith(":"):
            # What announces the code or the list below says nothing without it.
            text = " ".join(list(prose.split_sentences(text))[:-1])
        if text:
            yield text


def without_markup(text: str) -> str:
    """reStructuredText inline markup replaced by the words that a reader sees."""
    text = re.sub(r":abbr:`([^`(]*?) *\([^`]*`", r"\1", text)
    text = re.sub(r":(pep|rfc):`(\d+)[^`]*`", lambda m: f"{m[1].upper()} {m[2]}", text)
    text = re.sub(r":(?:ref|doc):`([^`<]+)`", lambda m: m[1].replace("-", " "), text)
    text = re.sub(r":[\w:+-]+:`!?~([^`<]*)`", lambda m: m[1].rsplit(".", 1)[-1], text)
    text = re.sub(r"(?::[\w:+-]+:)?`!?([^`<]+?)\s*<[^`>]*>`_{0,2}", r"\1", text)
    text = re.sub(r":[\w:+-]+:`[!.]?([^`]*)`", r"\1", text)
    text = re.sub(r"``(.+?)``", r"\1", text)
    text = re.sub(r"`([^`]+)`_{0,2}", r"\1", text)
    text = re.sub(r"(?<![\w.])([A-Za-z]\w*[A-Za-z0-9])_(?=[\s,.;:)]|$)", r"\1", text)
    text = re.sub(r" ?\[[#\d*]\w*\]_", "", text)
    text = re.sub(r"\*\*(\S(?:.*?\S)?)\*\*", r"\1", text)
    text = re.sub(r"(?<!\w)\*(\S(?:.*?\S)?)\*(?!\w)", r"\1", text)
    text = re.sub(r"\\ ", "", text)
    text = re.sub(r"\|([\w-]+)\|", r"\1", text)
    return re.sub(r" ?\((?:Contributed|Patch|Suggested|Implemented|Written) [^()]*\)\.?", "", text)


def glosses(root: Path) -> list[Document]:
    """WordNet definitions and example sentences, one document a lexicographer file."""
    files: dict[str, list[tuple[str, ...]]] = {}
    for part in ("noun", "verb", "adj", "adv"):
        data = (root / f"usr/share/wordnet/data.{part}").read_text("utf-8")
        for line in data.splitlines():
            if not line.startswith(" "):
                fields, _, gloss = line.partition(" | ")
                columns = fields.split()
                files.setdefault(columns[1], []).append(entry(columns[4], gloss))
    return [
        Document(name, tuple((text,) for text in alternating(files[name])))
        for name in sorted(files)
    ]


def entry(word: str, gloss: str) -> tuple[str, ...]:
    """The usable texts of one synonym set: its definition after the word, then its examples."""
    word = re.sub(r"\((?:a|p|ip)\)$", "", word).replace("_", " ")
    definition, *rest = re.split(r'; (?=")', prose.plain(gloss), maxsplit=1)
    definition = re.sub(r"^\([^()]*\) *", "", definition)
    texts = [f"{word}: {definition}"] if '"' not in definition else []
    # An example followed by a dash quotes an author; it is left out.
    texts += [
        match[1].strip()
        for match in re.finditer(r'"([^"]+)"(?! ?[-(,])', rest[0] if rest else "")
        if ";" not in match[1]
    ]
    if prose.UNWANTED.search(gloss):
        return ()
    return tuple(text for text in texts if prose.usable(text) and len(text.split()) >= 5)


def alternating(entries: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A definition and an example in turn, one text a synonym set, evenly through the file."""
    wanted_example = False
    ordered = spread([texts for texts in entries if texts])
    for texts in ordered:
        definition = next((text for text in texts if ": " in text), None)
        example = next((text for text in texts if ": " not in text), None)
        chosen = example if wanted_example else definition
        if chosen is not None:
            yield chosen
            wanted_example = not wanted_example


def spread(items: list[T]) -> list[T]:
    """`items` in a fixed order whose every prefix is spread evenly over the whole list."""
    golden = 0x9E3779B97F4A7C15
    return [item for _, item in sorted(enumerate(items), key=lambda pair: pair[0] * golden % 2**64)]
