"""Calibration errors: closed forms, simulated predictors, and sums that do not depend on how they were made."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.evaluation.calibration import BINS, Gap


def plain(sorted_by: list[float], first: list[float], second: list[float]) -> float:
    """Eq 38 and 39 as they are written."""
    bins: dict[int, list[int]] = {}
    for i, value in enumerate(sorted_by):
        bins.setdefault(min(max(math.ceil(value * BINS) - 1, 0), BINS - 1), []).append(i)
    error = 0.0
    for inside in bins.values():
        means = [sum(values[i] for i in inside) / len(inside) for values in (first, second)]
        error += len(inside) / len(sorted_by) * abs(means[0] - means[1])
    return error


def gap(sorted_by: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> float:
    found = Gap()
    found.add(sorted_by, first, second)
    return found.value


def test_there_are_21_bins_and_each_holds_its_upper_edge():
    found = Gap()
    edges = torch.arange(1, BINS + 1, dtype=torch.float64) / BINS
    found.add(edges, edges, edges)
    assert BINS == 21
    assert found.counts.tolist() == [1] * 21
    found.add(torch.tensor([0.0, 1 + 1e-7]), torch.zeros(2), torch.zeros(2))
    assert found.counts.tolist() == [2, *[1] * 19, 2]


def test_a_constant_predictor_is_off_by_what_it_is_off():
    confidence = torch.full((1000,), 0.9)
    correct = torch.arange(1000) < 600
    assert gap(confidence, confidence, correct) == pytest.approx(0.3, abs=1e-7)


def test_two_confidences_err_apart_and_do_not_cancel():
    """Over-confident in one bin and under-confident in another: Eq 38 adds the sizes."""
    confidence = torch.tensor([0.9] * 100 + [0.3] * 300, dtype=torch.float64)
    correct = torch.tensor([1.0] * 70 + [0.0] * 30 + [1.0] * 120 + [0.0] * 180)
    assert gap(confidence, confidence, correct) == pytest.approx(0.25 * 0.2 + 0.75 * 0.1)


def test_predictions_that_come_true_as_often_as_they_say_are_calibrated():
    """The rest is sampling: E|mean - p| is about sqrt(2/π) sqrt(p(1-p)/n) in each bin."""
    generator = torch.Generator().manual_seed(0)
    n = 200_000
    confidence = torch.rand(n, generator=generator, dtype=torch.float64)
    correct = torch.rand(n, generator=generator, dtype=torch.float64) < confidence
    expected = sum(math.sqrt(2 / math.pi * p * (1 - p) / (n / BINS)) for p in (torch.arange(BINS) + 0.5) / BINS) / BINS
    assert gap(confidence, confidence, correct) == pytest.approx(expected, rel=0.5)
    assert gap(confidence, confidence, correct) < 0.005


def test_equal_confidences_are_no_distance_apart_and_bins_matter_only_where_they_differ():
    generator = torch.Generator().manual_seed(1)
    one, other = torch.rand(2, 5000, generator=generator, dtype=torch.float64)
    assert gap(one, one, one) == 0
    assert gap(one, one, other) != pytest.approx(gap(other, one, other), rel=1e-6)
    assert gap(one, one, other) == gap(one, other, one)
    higher = (one + 0.03).clamp(max=1)
    assert gap(one, one, higher) == pytest.approx(gap(higher, one, higher))  # one is never above


def test_nothing_is_known_of_no_positions():
    assert math.isnan(Gap().value)


def test_a_reliability_diagram():
    found = Gap()
    found.add(torch.tensor([0.5, 0.52]), torch.tensor([0.5, 0.52]), torch.tensor([True, False]))
    assert found.means[10].tolist() == pytest.approx([0.51, 0.5])
    assert found.means[0].isnan().all()


shares = st.floats(0, 1, width=32)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(shares, shares, shares), min_size=1, max_size=60), data=st.data())
def test_chunks_and_order_do_not_matter(rows, data):
    columns = [list(column) for column in zip(*rows, strict=True)]
    whole = gap(*(torch.tensor(column) for column in columns))
    assert whole == pytest.approx(plain(*columns), abs=1e-9)
    assert 0 <= whole <= 1
    order = data.draw(st.permutations(range(len(rows))))
    size = data.draw(st.integers(1, len(rows)))
    found = Gap()
    for start in range(0, len(rows), size):
        found.add(*(torch.tensor([column[i] for i in order[start : start + size]]) for column in columns))
    assert found.value == pytest.approx(whole, abs=1e-12)
