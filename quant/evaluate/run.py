"""Evaluate: every scheme on every length class, against one float64 run of the same texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from transfab.quant.bert.weights import FloatEmbeddings
from transfab.quant.calibrate import CalibratedLayer
from transfab.quant.evaluate.baselines import BASELINES
from transfab.quant.evaluate.deviation import ClassDeviation, LayersAlone, sample
from transfab.quant.evaluate.metrics import Agreement, Comparison
from transfab.quant.evaluate.schemes import Scheme, States, Step, float_states, integer_schemes
from transfab.quant.evaluate.texts import LengthClass
from transfab.quant.executors import Executor
from transfab.quant.sources import Source


@dataclass(frozen=True)
class Request:
    """What to compare.

    classes      the held-out texts
    calibration  token ids of the calibration texts
    widths       of the residual stream, of 8 and 16
    baselines    names out of BASELINES
    threads      changes no bit of an integer scheme
    quick        weights rounded to the nearest, not fitted
    """

    classes: Sequence[LengthClass]
    calibration: Sequence[list[int]]
    widths: Sequence[int] = (16, 8)
    baselines: Sequence[str] = ()
    threads: int = 1
    quick: bool = False


@dataclass(frozen=True)
class Evaluation:
    """Agreement with float by scheme and length class, and what was left out and why.

    deviation  of every tensor of the integer schemes, each layer alone, on a sample of each class
    """

    schemes: dict[str, dict[str, Agreement]] = field(default_factory=dict)
    deviation: dict[str, dict[str, ClassDeviation]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def evaluate(source: Source, request: Request, progress: Step = lambda text: None) -> Evaluation:
    """Compare the integer encoder and the baselines with the float64 encoder.

    A baseline whose package is missing, or that fails, is skipped by name. The integer schemes
    are not: what they raise is raised here, ValueError for text or weights that do not fit.
    """
    embeddings = source.embeddings()
    samples = {group.name: sample(group.sequences) for group in request.classes}
    alone: dict[str, LayersAlone] = {}

    def observe(bits: int, calibrated: CalibratedLayer, executor: Executor) -> None:
        config, name = source.config(bits), f"R{bits}"
        if name not in alone:
            alone[name] = LayersAlone(config, embeddings, samples)
        progress(f"{name} layer {calibrated.index}: every tensor against float")
        alone[name].add(calibrated, executor)

    integer = integer_schemes(
        source,
        embeddings,
        request.calibration,
        request.widths,
        request.threads,
        request.quick,
        progress,
        observe,
    )
    reference: dict[str, list[States]] = {}
    for group in request.classes:
        size = f"{len(group.sequences)} texts, {group.tokens} tokens"
        progress(f"float64 on class {group.name}: {size}")
        reference[group.name] = float_states(source, embeddings, group.sequences, request.threads)
    result = Evaluation(deviation={name: layers.result() for name, layers in alone.items()})
    for scheme in integer:
        result.schemes[scheme.name] = compare(scheme, request.classes, reference, progress)
    for name in request.baselines:
        try:
            baseline = _build(name, source, embeddings, request.threads)
            result.schemes[name] = compare(baseline, request.classes, reference, progress)
        except Exception as err:  # whatever others' code raises: the other results are kept
            result.skipped[name] = _reason(err)
            progress(f"{name} skipped: {result.skipped[name]}")
    return result


def compare(
    scheme: Scheme,
    classes: Sequence[LengthClass],
    reference: Mapping[str, Sequence[States]],
    progress: Step = lambda text: None,
) -> dict[str, Agreement]:
    """Agreement of a scheme with the float states of the same texts, by length class.

    Raises ValueError for states of another number or shape, or that are not finite.
    """
    found = {}
    for group in classes:
        progress(f"{scheme.name} on class {group.name}")
        wanted = reference[group.name]
        comparison = Comparison(len(wanted[0]))
        for states, got in zip(wanted, scheme.run(group.sequences), strict=True):
            comparison.add(states, got)
        found[group.name] = comparison.result()
    return found


def _build(name: str, source: Source, embeddings: FloatEmbeddings, threads: int) -> Scheme:
    if lack := BASELINES[name].missing():
        raise ModuleNotFoundError(lack)
    return BASELINES[name].build(source, embeddings, threads)


def _reason(err: Exception) -> str:
    """One line: what is missing, or the error's name and the first line of its text."""
    text = (str(err).strip().splitlines() or [""])[0]
    return text if isinstance(err, ImportError) else f"{type(err).__name__}: {text}"
