"""Neighbours among a fixed number of others, and what each point moves the mean overlap by."""

import numpy as np
import pytest

from trusteq.dimensions.representation_overlap import DIMENSION
from trusteq.neighbors import moves, neighbors, neighbors_among, pushes, row_jaccard
from trusteq.overlap import expected_jaccard


def two_spaces(n, rng, noise=0.6, width=5):
    rows = rng.normal(size=(n, width))
    return rows, rows + noise * rng.normal(size=rows.shape)


def test_among_all_others_the_neighbours_are_those_of_all():
    rows, _ = two_spaces(60, np.random.default_rng(0))
    assert (neighbors_among(rows, np.arange(60), 4, among=59, seed=3) == neighbors(rows, np.arange(60), 4)).all()


def test_every_point_is_a_candidate_of_equally_many():
    rows = np.ones((50, 3))  # all equally near: the candidates themselves come back
    nearest = neighbors_among(rows, np.arange(50), 7, among=7, seed=1)
    assert (np.bincount(nearest.ravel(), minlength=50) == 7).all()
    assert not (nearest == np.arange(50)[:, None]).any()


def test_the_overlap_among_a_fixed_number_does_not_move_with_n():
    figures = {}
    for n in (300, 3000):
        some, others = two_spaces(n, np.random.default_rng(n))
        for among in (200, None):
            found = DIMENSION.of(predictions=some, large_predictions=others, k=10, among=among)
            figures[n, among] = found["neighbor_jaccard_at_10"]
            assert found["expected_neighbor_jaccard_at_10"] == pytest.approx(expected_jaccard(10, 10, among or n - 1))
    assert figures[300, 200] == pytest.approx(figures[3000, 200], abs=0.03)
    assert figures[3000, None] < 0.7 * figures[300, None]


def test_what_a_point_does_to_others_is_what_leaving_it_out_does():
    n, k = 40, 3
    some, others = two_spaces(n, np.random.default_rng(2))
    every = np.arange(n)
    nearest, other_nearest = neighbors(some, every, k + 1), neighbors(others, every, k + 1)
    jaccard = row_jaccard(nearest[:, :k], other_nearest[:, :k])
    push = np.zeros(n)
    for lists, leaving, loss in pushes(nearest, other_nearest, jaccard, k):
        push += np.bincount(lists[leaving], loss[leaving], n)
    for point in range(n):
        left = np.delete(every, point)
        without = [neighbors(rows[left], np.arange(n - 1), k) for rows in (some, others)]
        assert push[point] == pytest.approx((jaccard[left] - row_jaccard(*without)).sum())
    moved = moves(nearest, other_nearest, every, k, n)
    assert moved.mean() == pytest.approx(jaccard.mean())


def test_the_interval_holds_the_mean_where_all_points_are_drawn_anew():
    rng = np.random.default_rng(5)
    found = [
        DIMENSION.of(predictions=a, large_predictions=b, k=10, among=100, seed=i)
        for i, (a, b) in enumerate(two_spaces(200, rng) for _ in range(200))
    ]
    key = "neighbor_jaccard_at_10"
    truth = np.mean([one[key] for one in found])
    held = np.mean([one[f"{key}_low"] <= truth <= one[f"{key}_high"] for one in found])
    assert held >= 0.9  # 94 %, and four standard errors of 200 trials less would be 0.87


def test_among_is_at_least_k():
    with pytest.raises(ValueError, match="among must be a whole number of at least 10"):
        DIMENSION.of(predictions=np.eye(30), large_predictions=np.eye(30), k=10, among=9)
