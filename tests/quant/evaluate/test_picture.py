"""The picture: labels that do not overlap, a file of the kind that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from transfab.quant.evaluate.metrics import Agreement
from transfab.quant.evaluate.picture import check_path, draw, spread
from transfab.quant.evaluate.run import Evaluation


def test_labels_with_room_stay_where_they_belong():
    assert spread([9.0, 1.0, 5.0], 2.0) == [9.0, 1.0, 5.0]


def test_labels_that_touch_spread_around_their_middle():
    assert spread([5.0, 5.0], 2.0) == [4.0, 6.0]
    assert spread([5.0, 4.0, 6.0], 2.0) == [5.0, 3.0, 7.0]


def test_labels_keep_their_order_and_their_distance():
    rng = np.random.default_rng(0)
    for count in range(1, 8):
        wanted = rng.uniform(0, 10, count).tolist()
        placed = spread(wanted, 1.5)
        order = np.argsort(wanted)
        assert np.all(np.diff(np.array(placed)[order]) >= 1.5 - 1e-9)
        assert np.mean(placed) == pytest.approx(np.mean(wanted))


def agreement(value: float, texts: int, tokens: int) -> Agreement:
    return Agreement(value, 0.99, 0.9, 1.0, 0.9, 0.98, [30.0, 26.0, value], texts, tokens)


EVALUATION = Evaluation(
    {
        name: {"short": agreement(value, 5, 61), "128": agreement(value - 1, 2, 256)}
        for name, value in {"R16": 23.4, "R8": 23.1, "torch": 8.5}.items()
    }
)


def test_the_picture_labels_every_line_in_every_panel(tmp_path):
    matplotlib = pytest.importorskip("matplotlib", reason="needs extra eval")
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        draw(EVALUATION, "a model", tmp_path / "x.svg")
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    shown = ["a model", "short: 5 texts, 12 tokens on average", "2 texts of 128 tokens"]
    shown += ["23.4  R16", "23.1  R8", "8.5  torch", "22.4  R16", "22.1  R8", "7.5  torch"]
    assert [label for label in shown if label not in text] == []


def test_a_png_is_a_png(tmp_path):
    pytest.importorskip("matplotlib", reason="needs extra eval")
    draw(EVALUATION, "a model", tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_written_is_refused_first(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.png or \.svg, not 'x\.pdf'"):
        check_path(tmp_path / "x.pdf")
    with pytest.raises(ValueError, match="is not a folder: make it first"):
        check_path(tmp_path / "nowhere" / "x.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match="must name a file"):
        check_path(tmp_path / "folder.png")
    check_path(tmp_path / "x.svg")
