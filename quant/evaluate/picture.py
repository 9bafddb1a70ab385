"""The picture: SQNR after each layer, a panel a length class, a line a scheme."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from transfab.quant.evaluate.metrics import Agreement
from transfab.quant.evaluate.run import Evaluation

SUFFIXES: Final = (".png", ".svg")
COLORS: Final = {
    "R16": "#0b5394",
    "R8": "#2a9df4",
    "torchao": "#d35400",
    "onnxruntime": "#8e44ad",
    "torch": "#7a7a00",
    "per-tensor": "#777777",
}
_SECOND: Final = "#777777"
# Height of a label, as a share of the panel's.
_LINE: Final = 0.058


def missing() -> str | None:
    """What a picture lacks here, None if nothing."""
    if importlib.util.find_spec("matplotlib") is None:
        return "matplotlib not installed (pip install 'transfab[eval]')"
    return None


def check_path(path: Path) -> None:
    """Raise ValueError, before any work, for a picture that could not be written."""
    if path.suffix not in SUFFIXES:
        raise ValueError(f"--picture must end in {' or '.join(SUFFIXES)}, not {path.name!r}")
    if not path.parent.is_dir():
        raise ValueError(f"--picture: {path.parent} is not a folder: make it first")
    if path.is_dir():
        raise ValueError(f"--picture must name a file, not the folder {path}")


def spread(wanted: Sequence[float], distance: float) -> list[float]:
    """Positions as near as may be to the wanted ones, in their order, `distance` apart at least."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    # Groups of labels that touch: each [sum of wanted positions of its first label, members].
    groups: list[tuple[float, list[int]]] = []
    for index in order:
        groups.append((wanted[index], [index]))
        while len(groups) > 1 and groups[-2][0] + distance * len(groups[-2][1]) > groups[-1][0]:
            (low, left), (high, right) = groups[-2:]
            shifted = high - distance * len(left)
            first = (low * len(left) + shifted * len(right)) / (len(left) + len(right))
            groups[-2:] = [(first, left + right)]
    placed = [0.0] * len(wanted)
    for first, members in groups:
        for place, index in enumerate(members):
            placed[index] = first + place * distance
    return placed


def draw(evaluation: Evaluation, title: str, path: Path) -> None:
    """Write the picture as .png or .svg.

    title  what was evaluated, in one line
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    classes = list(next(iter(evaluation.schemes.values())))
    figure = Figure(figsize=(1.2 + 4.2 * len(classes), 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(classes), sharey=True, squeeze=False)[0]
    heights = [
        value
        for found in evaluation.schemes.values()
        for agreement in found.values()
        for value in agreement.sqnr_by_layer
    ]
    low, high = min(0.0, *heights), max(heights) * 1.06
    for panel, name in zip(panels, classes, strict=True):
        _panel(panel, evaluation, name, (low, high))
    panels[0].set_ylabel("SQNR of the hidden state, dB")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    figure.savefig(path, dpi=160)


def _caption(name: str, agreement: Agreement) -> str:
    texts, tokens = agreement.texts, agreement.tokens
    if name == f"{tokens / texts:g}":
        return f"{texts} texts of {name} tokens"
    return f"{name}: {texts} texts, {tokens / texts:.0f} tokens on average"


def _panel(panel: Any, evaluation: Evaluation, name: str, limits: tuple[float, float]) -> None:
    lines = {scheme: found[name] for scheme, found in evaluation.schemes.items()}
    layers = range(len(next(iter(lines.values())).sqnr_by_layer))
    for scheme, agreement in lines.items():
        ours = scheme.startswith("R")
        panel.plot(
            layers,
            agreement.sqnr_by_layer,
            color=COLORS.get(scheme, _SECOND),
            linewidth=2.6 if ours else 1.5,
            marker="o",
            markersize=5 if ours else 3.5,
            zorder=3 if ours else 2,
            clip_on=False,
        )
    ends = [agreement.sqnr_db for agreement in lines.values()]
    distance = _LINE * (limits[1] - limits[0])
    last, room = layers[-1], 0.06 * max(len(layers) - 1, 1)
    for (scheme, agreement), height in zip(lines.items(), spread(ends, distance), strict=True):
        color = COLORS.get(scheme, _SECOND)
        panel.plot(
            [last + room * 0.6, last + room * 2],
            [agreement.sqnr_db, height],
            color=color,
            linewidth=0.7,
            clip_on=False,
        )
        panel.text(
            last + room * 2.3,
            height,
            f"{agreement.sqnr_db:.1f}  {scheme}",
            color=color,
            va="center",
            fontsize=9.5,
            fontweight="bold" if scheme.startswith("R") else "normal",
        )
    panel.set_title(_caption(name, next(iter(lines.values()))), fontsize=10.5, loc="left")
    panel.set_xlim(-0.2, last + max(len(layers) - 1, 1) * 0.62)
    panel.set_ylim(*limits)
    panel.set_xticks(layers[:: max(1, len(layers) // 8)])
    panel.set_xlabel("after layer", loc="left")
    for height in panel.get_yticks():
        panel.hlines(height, -0.2, last, color="#e2e2e2", linewidth=0.8, zorder=0)
    for side in ("top", "right", "bottom"):
        panel.spines[side].set_visible(False)
    panel.tick_params(length=0)
