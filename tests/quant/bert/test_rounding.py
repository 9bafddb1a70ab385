"""Weights fitted to the integers that they meet: exact moments, less error, the same bits."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from transfab.quant.bert import rounding
from transfab.quant.bert.rounding import Moments, round_weights


def operand(rows: int, channels: int, seed: int = 0) -> np.ndarray:
    """int8 rows with channels that follow each other, a far mean and unequal spread."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(rows, 3)) @ rng.normal(size=(3, channels))
    values = 20 * common + rng.normal(size=(rows, channels)) * rng.uniform(1, 12, channels) - 40
    return np.clip(np.round(values), -127, 127).astype(np.int8)


def moments_of(*parts: np.ndarray) -> Moments:
    moments = Moments.of(parts[0].shape[1])
    for part in parts:
        moments.add(part)
    return moments


def error(steps: np.ndarray, weight: np.ndarray, rows: np.ndarray) -> float:
    """Variance of the output error over the rows: its mean is the bias's to correct."""
    return float(np.var((steps - weight) @ rows.T.astype(np.float64), axis=1).sum())


def test_moments_are_the_exact_sums_even_at_the_extremes():
    rows = operand(3000, 7)
    rows[:2048] = np.where(np.arange(7) % 2, 127, -127)
    moments = moments_of(rows)
    wide = rows.astype(object)
    assert moments.count == 3000
    assert moments.total.tolist() == [Fraction(int(v)) for v in wide.sum(axis=0)]
    assert moments.second.tolist() == (wide.T @ wide).tolist()


def test_moments_do_not_depend_on_how_the_rows_are_split():
    rows = operand(2500, 9)
    whole, parts = moments_of(rows), moments_of(rows[:1], rows[1:1500], rows[1500:])
    assert whole.second.tobytes() == parts.second.tobytes()
    assert whole.covariance.tobytes() == parts.covariance.tobytes()


def test_fitted_weights_err_less_than_the_nearest_on_text_that_they_never_saw():
    rows, unseen = np.split(operand(8000, 64), [6000])
    steps = np.random.default_rng(5).uniform(-127, 127, (16, 64))
    fitted = round_weights(steps.copy(), moments_of(rows).covariance)
    nearest = np.clip(np.floor(steps + 0.5), -127, 127)
    assert error(steps, fitted, unseen) < 0.6 * error(steps, nearest, unseen)
    assert np.abs(fitted).max() <= 127


def test_independent_channels_are_rounded_to_the_nearest():
    steps = np.random.default_rng(1).uniform(-126, 126, (5, 40))
    fitted = round_weights(steps.copy(), np.diag(np.arange(1.0, 41.0)))
    assert fitted.tolist() == np.floor(steps + 0.5).tolist()


def test_the_last_channel_makes_up_for_the_one_before():
    """Two equal channels: only the sum of their weights matters, and it is met within a half."""
    covariance = np.array([[1.0, 1 - 1e-9], [1 - 1e-9, 1.0]])
    steps = np.array([[10.4, 20.4], [-3.3, 7.6], [126.9, 5.2]])
    fitted = round_weights(steps.copy(), covariance)
    assert np.abs(fitted.sum(axis=1) - steps.sum(axis=1)).max() <= 0.5


def test_blocks_change_nothing(monkeypatch):
    rows = operand(4000, 50)
    steps = np.random.default_rng(2).uniform(-127, 127, (8, 50))
    whole = round_weights(steps.copy(), moments_of(rows).covariance)
    monkeypatch.setattr(rounding, "_BLOCK", 7)
    assert np.count_nonzero(round_weights(steps.copy(), moments_of(rows).covariance) - whole) == 0


def test_a_weight_in_use_is_not_changed():
    steps = np.random.default_rng(3).uniform(-127, 127, (4, 12))
    before = steps.copy()
    round_weights(steps, moments_of(operand(500, 12)).covariance)
    assert steps.tobytes() == before.tobytes()


@pytest.mark.parametrize("rows", [1, 3, 20])
def test_text_too_short_for_the_channels_is_damped_not_refused(rows):
    covariance = moments_of(operand(rows, 32)).covariance
    assert float(torch.linalg.eigvalsh(torch.from_numpy(covariance)).min()) > 0
    steps = np.random.default_rng(4).uniform(-127, 127, (4, 32))
    assert np.abs(round_weights(steps, covariance) - steps).max() < 30
