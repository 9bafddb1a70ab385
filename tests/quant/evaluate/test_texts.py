"""Held-out texts: classes, cuts, and never one that calibration saw."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from transfab.quant.corpus import packaged, paragraphs, passages, read_texts, sentences
from transfab.quant.evaluate.texts import held_out, unseen
from transfab.quant.random_source import RandomSource

SOURCE = RandomSource("bert-tiny")


@dataclass(frozen=True)
class Shorter:
    """A source that takes fewer tokens."""

    longest: int

    def tokens(self, text):
        return SOURCE.tokens(text)


def test_by_default_there_are_500_sentences_40_paragraphs_and_20_passages():
    classes = held_out(SOURCE, packaged("calibration", 10, 1, 1))
    assert [(group.name, len(group.sequences)) for group in classes] == [
        ("short", 500),
        ("128", 40),
        ("512", 20),
    ]
    for group, longest in zip(classes, (100, 128, 512), strict=True):
        lengths = [len(tokens) for tokens in group.sequences]
        assert lengths == sorted(lengths)
        assert max(lengths) <= longest
        assert group.tokens == sum(lengths)


@pytest.mark.parametrize("kind", [sentences, paragraphs, passages])
def test_no_packaged_held_out_text_is_a_calibration_text(kind):
    assert unseen(kind("heldout"), kind("calibration")) == list(kind("heldout"))


def test_case_and_white_space_make_no_other_text():
    assert unseen([" A  text.", "Another."], ["a Text."]) == ["Another."]


def test_texts_that_calibration_saw_are_left_out_and_named():
    known = packaged("heldout", 3, 0, 0)
    said = []
    (group,) = held_out(SOURCE, known, (5, 0, 0), progress=said.append)
    assert len(group.sequences) == 2
    assert said == ["class short: 3 texts left out, calibration saw them"]


def test_no_text_left_is_refused(tmp_path):
    known = packaged("calibration", 5, 0, 0)
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(known), encoding="utf-8")
    with pytest.raises(ValueError, match="no held-out text is left: all 5 are among the calib"):
        held_out(SOURCE, known, path=path)


def test_more_than_is_packaged_is_refused():
    with pytest.raises(ValueError, match="holds 0 to 60 passages"):
        held_out(SOURCE, [], (0, 0, 61))


def test_no_text_asked_for_is_refused():
    with pytest.raises(ValueError, match="no held-out text is left of classes"):
        held_out(SOURCE, [], (0, 0, 0))


def test_a_class_longer_than_the_model_takes_is_left_out_by_name():
    said = []
    classes = held_out(Shorter(200), [], (2, 2, 2), progress=said.append)  # type: ignore[arg-type]
    assert [group.name for group in classes] == ["short", "128"]
    assert said == ["class 512 left out: the model takes 200 tokens"]
    with pytest.raises(ValueError, match="of classes that a model of 20 tokens takes"):
        held_out(Shorter(20), [], (0, 2, 2))  # type: ignore[arg-type]


def test_a_file_is_one_class_by_its_name(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("one two three\n\none\n" + "word " * 600, encoding="utf-8")
    (group,) = held_out(SOURCE, [], path=path)
    assert group.name == "mine"
    assert [len(tokens) for tokens in group.sequences] == [3, 5, 512]
    assert len(read_texts(path)) == 3


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_in_another_encoding_is_refused(tmp_path, encoding):
    path = tmp_path / "other.txt"
    path.write_text("déjà vu\n", encoding=encoding)
    with pytest.raises(ValueError, match="UTF-8"):
        held_out(SOURCE, [], path=path)
