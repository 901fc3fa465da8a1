"""representation_overlap: cases worked by hand, then what must hold for any input, then independent libraries."""

from fractions import Fraction
from itertools import pairwise

import evaluate
import faiss
import numpy as np
import pytest
from drawn import spans_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import hypergeom
from sklearn.neighbors import NearestNeighbors

from trusteq.cka import cka
from trusteq.intervals import jackknife_interval, padded_mean_interval
from trusteq.neighbors import directions, neighbors, row_jaccard
from trusteq.overlap import expected_jaccard

overlap = evaluate.load("metrics/representation_overlap")

# Two groups of three directions in the plane; in the large model points 2 and 5 have changed groups.
COMPRESSED = np.array([[9, 1], [8, 2], [7, 3], [1, 9], [2, 8], [3, 7]])
LARGE = np.array([[9, 1], [8, 2], [3, 7], [1, 9], [2, 8], [7, 3]])


def normal(seed, *shape, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def nearest(rows, k, queries=None):
    rows = np.asarray(rows, dtype=np.float64)
    return neighbors(rows, np.arange(len(rows)) if queries is None else np.array(queries), k)


def naive_cka(x, y):
    """Song et al. 2012 as it is written, with the grams."""

    def hsic(gram, other):
        n, ones = len(gram), np.ones(len(gram))
        k, l = gram - np.diag(np.diag(gram)), other - np.diag(np.diag(other))  # noqa: E741
        total = np.trace(k @ l) + (ones @ k @ ones) * (ones @ l @ ones) / ((n - 1) * (n - 2))
        return (total - 2 / (n - 2) * (ones @ k @ l @ ones)) / (n * (n - 3))

    k, l = x @ x.T, y @ y.T  # noqa: E741
    return hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))


# Worked by hand.


def test_neighbours_of_six_directions_in_the_plane():
    assert nearest(COMPRESSED, 2).tolist() == [[1, 2], [0, 2], [1, 0], [4, 5], [3, 5], [4, 3]]


def test_two_points_that_change_groups():
    result = overlap.compute(predictions=COMPRESSED, large_predictions=LARGE, k=[1, 2], details=True)
    assert result["details"]["neighbor_jaccard_at_1"] == [1, 1, 0, 1, 1, 0]
    assert result["details"]["neighbor_jaccard_at_2"] == [1 / 3, 1 / 3, 0, 1 / 3, 1 / 3, 0]
    assert result["neighbor_jaccard_at_1"] == pytest.approx(4 / 6)
    assert result["neighbor_jaccard_at_2"] == pytest.approx(4 / 18)


def test_chance_of_small_sets_is_counted_by_hand():
    # 2 of 5 others twice: of the 10 second sets 3 share nothing, 6 share one (Jaccard 1/3), 1 shares both.
    result = overlap.compute(predictions=COMPRESSED, large_predictions=LARGE, k=[1, 2])
    assert result["expected_neighbor_jaccard_at_1"] == pytest.approx(1 / 5)
    assert result["expected_neighbor_jaccard_at_2"] == pytest.approx(6 / 10 / 3 + 1 / 10)
    assert result["chance_corrected_neighbor_jaccard_at_1"] == pytest.approx((4 / 6 - 1 / 5) / (1 - 1 / 5))


def test_all_other_points_as_neighbours_leave_no_room_to_differ():
    result = overlap.compute(predictions=COMPRESSED, large_predictions=LARGE, k=5)
    assert result["neighbor_jaccard_at_5"] == 1
    assert result["expected_neighbor_jaccard_at_5"] == 1
    assert result["chance_corrected_neighbor_jaccard_at_5"] == 1


def test_equal_cosines_go_to_the_lower_index():
    cross = [[1, 0], [0, 1], [-1, 0], [0, -1]]
    assert nearest(cross, 1).tolist() == [[1], [0], [1], [0]]
    assert nearest(cross, 3).tolist() == [[1, 3, 2], [0, 2, 3], [1, 3, 0], [0, 2, 1]]


def test_the_nearest_neighbours_of_a_duplicate_are_its_duplicates_in_order():
    rows = [[1, 2], [3, 1], [1, 2], [2, 4], [1, 2]]
    assert nearest(rows, 3).tolist() == [[2, 3, 4], [0, 2, 3], [0, 3, 4], [0, 2, 4], [0, 2, 3]]


def test_a_zero_vector_has_cosine_0_with_all_and_so_the_first_points_as_neighbours():
    rows = [[-1, 0], [1, 0], [0, 0], [1, 1], [0, 0]]
    assert nearest(rows, 3).tolist() == [[2, 4, 3], [3, 2, 4], [0, 1, 3], [1, 2, 4], [0, 1, 2]]


def test_minus_zero_is_zero():
    assert nearest([[0.0, 1.0], [1.0, 1.0], [-0.0, 1.0]], 1).tolist() == [[2], [0], [0]]


def test_all_rows_equal_in_both_models_is_full_overlap():
    result = overlap.compute(predictions=np.ones((9, 2)), large_predictions=np.full((9, 3), 0.1), k=4)
    assert result["neighbor_jaccard_at_4"] == 1
    assert (result["cka"], result["cka_low"], result["cka_high"]) == (1, 1, 1)


def test_all_rows_equal_in_one_model_aligns_with_nothing():
    result = overlap.compute(predictions=np.full((9, 3), 0.1), large_predictions=normal(0, 9, 2), k=4)
    assert (result["cka"], result["cka_low"], result["cka_high"]) == (0, 0, 0)


def test_equidistant_points_have_no_structure_to_align():
    assert cka(np.eye(2000), normal(0, 2000, 3))[0] == 0


@pytest.mark.parametrize(("n", "interval"), [(2, (-1, 1)), (3, (-1, 1)), (4, (-1, 1))])
def test_fewer_than_five_points_give_cka_no_interval_to_speak_of(n, interval):
    result = overlap.compute(predictions=normal(0, n, 3), large_predictions=normal(1, n, 3), k=1)
    assert (result["cka_low"], result["cka_high"]) == interval
    assert n == 4 or result["cka"] == 1


def test_one_query_says_nothing_about_the_mean():
    result = overlap.compute(predictions=COMPRESSED, large_predictions=LARGE, k=2, queries=1)
    assert (result["neighbor_jaccard_at_2_low"], result["neighbor_jaccard_at_2_high"]) == (0, 1)


def test_equal_overlaps_of_few_points_claim_no_certainty():
    result = overlap.compute(predictions=LARGE, large_predictions=LARGE, k=2)
    assert result["neighbor_jaccard_at_2"] == result["neighbor_jaccard_at_2_high"] == 1
    # 6 ones with a 0 and a 1: mean 7/8, standard deviation 1/sqrt(8), standard error 1/8, Student's t (7) 2.3646.
    assert result["neighbor_jaccard_at_2_low"] == pytest.approx(7 / 8 - 2.3646 / 8, abs=1e-5)


def test_the_interval_of_the_mean_comes_from_its_standard_error():
    values = np.random.default_rng(0).uniform(0.1, 0.4, 10_000)
    low, high = padded_mean_interval(values, 0.95)
    error = values.std(ddof=1) / 100
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=1e-4)


def test_no_confidence_level_no_intervals():
    result = overlap.compute(predictions=COMPRESSED, large_predictions=LARGE, k=1, confidence_level=None)
    assert list(result) == [
        "neighbor_jaccard_at_1",
        "expected_neighbor_jaccard_at_1",
        "chance_corrected_neighbor_jaccard_at_1",
        "cka",
    ]


def test_references_are_accepted_and_change_nothing():
    plain = overlap.compute(predictions=COMPRESSED, large_predictions=LARGE, k=2)
    assert overlap.compute(predictions=COMPRESSED, large_predictions=LARGE, references=[0] * 6, k=2) == plain


# What must hold for any input.


@st.composite
def embeddings(draw, least=2):
    """Tables with duplicates, zeros, ties and rows far from each other in size."""
    n, width = draw(st.integers(least, 12)), draw(st.integers(1, 5))
    any_size = st.floats(allow_nan=False, allow_infinity=False)
    entries = draw(st.sampled_from([st.integers(-2, 2).map(float), st.floats(-1e3, 1e3), any_size]))
    return draw(arrays(np.float64, (n, width), elements=entries))


@given(embeddings(), st.data())
@settings(max_examples=300, deadline=None)
def test_any_finite_table_gives_finite_figures_in_range(rows, data):
    n = len(rows)
    large = data.draw(arrays(np.float32, (n, 2), elements=st.floats(-4, 4, width=32)))
    k = data.draw(st.lists(st.integers(1, n - 1), min_size=1, max_size=3, unique=True))
    queries = data.draw(st.none() | st.integers(1, n))
    result = overlap.compute(predictions=rows, large_predictions=large, k=k, queries=queries)
    assert np.isfinite(list(result.values())).all()
    for key in ("cka", *(f"neighbor_jaccard_at_{size}" for size in k)):
        least = -1 if key == "cka" else 0
        assert least <= result[f"{key}_low"] <= result[key] <= result[f"{key}_high"] <= 1


@given(embeddings())
@settings(max_examples=300, deadline=None)
def test_neighbours_are_all_others_by_falling_cosine_and_duplicates_in_order(rows):
    """Against cosines in fractions: cos * |cos|, which is in the same order."""
    rows = np.rint(np.clip(rows, -9, 9)).astype(int)

    def cosine(a, b):
        dot, size = int(a @ b), int((a @ a) * (b @ b))
        return Fraction(dot * abs(dot), size) if size else Fraction(0)

    for i, found in enumerate(nearest(rows, len(rows) - 1).tolist()):
        assert sorted(found) == [j for j in range(len(rows)) if j != i]
        for a, b in pairwise(found):
            fall = cosine(rows[i], rows[a]) - cosine(rows[i], rows[b])
            assert fall > -1e-12  # directions that are equally near, but not equal, may be apart by rounding
            assert a < b or (rows[a] != rows[b]).any()


@given(embeddings(), st.data())
@settings(max_examples=100, deadline=None)
def test_identical_models_overlap_fully(rows, data):
    k = data.draw(st.integers(1, len(rows) - 1))
    result = overlap.compute(predictions=rows, large_predictions=rows, k=k)
    assert result[f"neighbor_jaccard_at_{k}"] == result[f"neighbor_jaccard_at_{k}_high"] == 1
    assert result[f"chance_corrected_neighbor_jaccard_at_{k}"] == 1
    assert result["cka"] == pytest.approx(1, abs=1e-12)


@given(embeddings(least=4), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_the_two_models_may_change_places(rows, seed):
    large = normal(seed, len(rows), 3)
    one = overlap.compute(predictions=rows, large_predictions=large, k=[1, 3])
    other = overlap.compute(predictions=large, large_predictions=rows, k=[1, 3])
    assert one == pytest.approx(other, abs=1e-9)


@given(st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_neither_length_of_rows_nor_rotation_changes_neighbours(seed):
    a, b = normal(seed, 60, 5), normal(seed + 1, 60, 7)
    rotation = np.linalg.qr(normal(seed + 2, 5, 5))[0]
    lengths = np.exp(normal(seed + 3, 60, 1))
    plain = overlap.compute(predictions=a, large_predictions=b, k=[1, 10], details=True)["details"]
    turned = overlap.compute(predictions=a @ rotation * lengths, large_predictions=b, k=[1, 10], details=True)
    assert turned["details"] == plain


@given(st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_neither_rotation_nor_shift_nor_scale_changes_cka(seed):
    a, b = normal(seed, 30, 5), normal(seed + 1, 30, 7)
    rotation = np.linalg.qr(normal(seed + 2, 5, 5))[0]
    value, without = cka(a, b, leave_one_out=True)
    moved, moved_without = cka(-3 * a @ rotation + 5, b / 7, leave_one_out=True)
    assert moved == pytest.approx(value, abs=1e-9)
    assert moved_without == pytest.approx(without, abs=1e-9)


@given(st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_points_does_not_matter(seed):
    a, b, order = normal(seed, 50, 5), normal(seed + 1, 50, 3), np.random.default_rng(seed).permutation(50)
    plain = overlap.compute(predictions=a, large_predictions=b, k=[3, 10])
    shuffled = overlap.compute(predictions=a[order], large_predictions=b[order], k=[3, 10])
    assert shuffled == pytest.approx(plain, abs=1e-9)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_hostile_input_is_a_value_error_or_finite(data):
    anything = st.one_of(
        st.lists(st.lists(st.floats() | st.integers(-3, 3), max_size=3), max_size=5),
        st.lists(st.floats() | st.text(max_size=2) | st.none(), max_size=5),
        arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(0, 3)), elements=st.floats(width=32)),
        st.text(max_size=3),
        st.none(),
        st.integers(),
    )
    size = st.integers(-1, 6)
    hostile = {
        "predictions": data.draw(anything),
        "large_predictions": data.draw(anything),
        "k": data.draw(size | st.lists(size, max_size=3) | st.floats() | st.text(max_size=1) | st.none()),
        "queries": data.draw(size | st.floats() | st.none()),
    }
    try:
        result = overlap.compute(**hostile)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(list(result.values())).all()
    after = overlap.compute(predictions=COMPRESSED, large_predictions=LARGE, k=1)
    assert after["neighbor_jaccard_at_1"] == pytest.approx(2 / 3)


# Agreement with independent code.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "k"), [(40, 1), (40, 39), (501, 10), (1500, 7), (1500, 400), (3000, 1)])
def test_neighbours_agree_with_scikit_learn(n, k, dtype):
    rows = normal(n, n, 12, dtype=dtype)
    peer = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(rows)
    theirs = peer.kneighbors(return_distance=False)
    ours = neighbors(rows, np.arange(n), k)
    if dtype == np.float64:
        assert (ours == theirs).all()
    else:  # float32 cosines that differ by less than rounding may come in either order
        assert (ours == theirs).mean() > 0.999


def test_neighbours_agree_with_faiss():
    rows = normal(0, 5000, 64, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(64)
    index.add(rows)
    theirs = index.search(rows, 11)[1]
    assert (theirs[:, 0] == np.arange(5000)).all()
    # Sets, of which a handful may differ: a 10th and an 11th neighbour nearer to each other than float32 can tell.
    assert (row_jaccard(neighbors(rows, np.arange(5000), 10), theirs[:, 1:]) == 1).mean() > 0.999


def test_duplicates_among_many_points_follow_the_plain_sort():
    rows = np.random.default_rng(0).integers(-2, 3, (700, 3)).astype(np.float64)
    points, point_of = directions(rows)
    cosine = (points @ points.T)[np.ix_(point_of, point_of)]
    cosine[(point_of[:, None] == point_of) & rows.any(axis=1)] = 2
    np.fill_diagonal(cosine, -np.inf)
    assert len(points) < 125
    for k in (1, 12, 699):
        assert (nearest(rows, k) == np.argsort(-cosine, axis=1, kind="stable")[:, :k]).all()


def test_a_shorter_list_is_the_beginning_of_a_longer_one():
    rows = np.random.default_rng(0).integers(-2, 3, (400, 3))
    assert (nearest(rows, 5) == nearest(rows, 60)[:, :5]).all()


@pytest.mark.parametrize(("others", "k"), [(5, 1), (9, 6), (100, 10), (9999, 10), (9999, 5000), (10**6, 1)])
def test_expected_jaccard_agrees_with_scipy_hypergeom(others, k):
    shared = np.arange(k + 1)
    exact = hypergeom(others, k, k).pmf(shared) @ (shared / (2 * k - shared))
    assert expected_jaccard(k, k, others) == pytest.approx(exact, rel=1e-6)


def test_unrelated_models_overlap_as_chance_expects():
    result = overlap.compute(predictions=normal(0, 2000, 8), large_predictions=normal(1, 2000, 8), k=[10, 100])
    for k in (10, 100):
        expected = result[f"expected_neighbor_jaccard_at_{k}"]
        assert result[f"neighbor_jaccard_at_{k}_low"] <= expected <= result[f"neighbor_jaccard_at_{k}_high"]
    assert result["cka_low"] <= 0 <= result["cka_high"]


@pytest.mark.parametrize(
    ("n", "width", "large_width"), [(4, 2, 3), (5, 1, 2), (30, 50, 4), (40, 99, 200), (2200, 6, 9)]
)
def test_cka_agrees_with_the_grams(n, width, large_width):
    x, y = normal(1, n, width), normal(2, n, large_width) * 3
    y[:, :1] += x[:, :1]
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)  # else the naive sum loses digits
    assert cka(x + 100, y - 7)[0] == pytest.approx(naive_cka(x, y), abs=1e-8)


@pytest.mark.parametrize(("n", "width"), [(5, 2), (30, 50), (2200, 3)])
def test_cka_without_each_row_agrees_with_leaving_it_out(n, width):
    x, y = normal(1, n, width), normal(2, n, 4)
    y[:, :2] += x[:, :2]
    without = cka(x, y, leave_one_out=True)[1]
    rows = list(range(n)) if n < 100 else [0, 2047, 2048, 2199]
    anew = [cka(np.delete(x, i, 0), np.delete(y, i, 0))[0] for i in rows]
    assert without[rows] == pytest.approx(anew, abs=1e-9)


def test_the_interval_of_cka_covers():
    """300 data sets of 60 points; the count of a 95 % interval is within four standard errors of 285, or above."""
    mix, large_mix = normal(0, 4, 12), normal(1, 4, 6)
    rng = np.random.default_rng(2)

    def draw(n):
        hidden = rng.standard_normal((n, 4))
        return hidden @ mix + rng.standard_normal((n, 12)), hidden @ large_mix + rng.standard_normal((n, 6))

    truth = cka(*draw(200_000))[0]
    held = 0
    for _ in range(300):
        low, high = jackknife_interval(*cka(*draw(60), leave_one_out=True), 0.95)
        held += low <= truth <= high
    assert held >= 285 - 4 * np.sqrt(300 * 0.95 * 0.05)


# Queries, pieces, input forms.


def test_queries_ask_some_points_about_all():
    a, b = normal(0, 300, 5), normal(1, 300, 5)
    every = overlap.compute(predictions=a, large_predictions=b, k=10, details=True)
    some = overlap.compute(predictions=a, large_predictions=b, k=10, queries=40, details=True)["details"]
    assert len(set(some["queries"])) == 40
    assert some["neighbor_jaccard_at_10"] == [every["details"]["neighbor_jaccard_at_10"][i] for i in some["queries"]]
    everyone = overlap.compute(predictions=a, large_predictions=b, k=10, queries=300)
    assert everyone == {key: value for key, value in every.items() if key != "details"}


def test_the_seed_decides_the_queries():
    a, b = normal(0, 300, 5), normal(1, 300, 5)

    def asked(seed):
        result = overlap.compute(predictions=a, large_predictions=b, queries=40, seed=seed, details=True)
        return result["details"]["queries"]

    assert asked(0) == asked(0) != asked(1)


def test_queries_of_duplicates_find_the_others():
    assert nearest([[1, 2], [3, 1], [1, 2], [2, 4]], 2, queries=[1, 3]).tolist() == [[0, 2], [0, 2]]


def test_batches_give_the_same_as_one_call():
    a, b = normal(0, 90, 5, dtype=np.float32), normal(1, 90, 3, dtype=np.float32)
    for start in range(0, 90, 40):
        overlap.add_batch(predictions=a[start : start + 40], large_predictions=b[start : start + 40])
    assert overlap.compute(k=[3, 10]) == overlap.compute(predictions=a, large_predictions=b, k=[3, 10])


def test_whole_numbers_are_measured_as_float64():
    as_floats = overlap.compute(predictions=COMPRESSED.astype(float), large_predictions=LARGE.astype(float), k=2)
    assert overlap.compute(predictions=COMPRESSED, large_predictions=LARGE.astype(np.int8), k=2) == as_floats


def test_sizes_that_would_overflow_when_squared_change_nothing():
    a, b = normal(0, 50, 5), normal(1, 50, 3)
    plain = overlap.compute(predictions=a, large_predictions=b, k=5)
    extreme = overlap.compute(predictions=a * 2.0**1000, large_predictions=b * 2.0**-1000, k=5)
    assert extreme == pytest.approx(plain, abs=1e-12)


# Bad input.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predictions": COMPRESSED[:5]}, "predictions has 5, large_predictions has 6"),
        ({"predictions": None}, "predictions is missing"),
        ({"predictions": np.empty((0, 2)), "large_predictions": np.empty((0, 2))}, "predictions is empty"),
        ({"large_predictions": np.where(LARGE == 7, np.nan, LARGE)}, "large_predictions holds NaN or inf.* row 2"),
        ({"predictions": np.where(COMPRESSED == 7, np.inf, COMPRESSED)}, "predictions holds NaN or inf.* row 2"),
        ({"predictions": COMPRESSED[:, 0]}, "predictions needs an embedding.*shape .6,"),
        ({"large_predictions": ["a"] * 6}, "large_predictions needs an embedding.*6 strings"),
        ({"predictions": np.ones((6, 2, 2))}, "predictions needs .* 3 dimensions"),
        ({"predictions": [[1, 2], [3]] * 3}, "predictions is not a regular array"),
        ({"k": 6}, "k must be at most the number of other points, 5, got 6"),
        ({"k": [1, 9]}, "k must be at most the number of other points, 5, got 9"),
        ({"k": 0}, "k must be a whole number of at least 1, got 0"),
        ({"k": 2.5}, "k must be a whole number of at least 1, got 2.5"),
        ({"k": True}, "k must be a whole number"),
        ({"k": "10"}, "k must be a whole number"),
        ({"k": np.array(0.9)}, "k must be a whole number of at least 1, got 0.9"),
        ({"k": []}, "k must be .* different ones"),
        ({"k": [2, 2]}, "k must be .* different ones"),
        ({"queries": 0}, "queries must be a whole number of at least 1, got 0"),
        ({"queries": 7}, "queries must be at most the number of points, 6, got 7"),
        ({"queries": 1.5}, "queries must be a whole number"),
        ({"confidence_level": 1.0}, "confidence_level must be"),
        ({"neighbours": 3}, "unknown option neighbours"),
    ],
)
def test_bad_input_is_named_in_one_sentence_and_leaves_the_module_usable(change, message):
    good = {"predictions": COMPRESSED, "large_predictions": LARGE, "k": 2}
    with pytest.raises(ValueError, match=message) as error:
        overlap.compute(**good | change)
    assert "\n" not in str(error.value)
    assert overlap.compute(**good)["neighbor_jaccard_at_2"] == pytest.approx(4 / 18)


# The plot.


@pytest.mark.parametrize("k", [[1], [3, 20, 150]])
def test_plot_draws_a_panel_for_each_k_with_all_the_points(k):
    result = overlap.compute(predictions=normal(0, 200, 5), large_predictions=normal(1, 200, 5), k=k, details=True)
    figure = overlap.plot(result)
    assert len(figure.axes) == len(k)
    for axis, size in zip(figure.axes, k, strict=True):
        key = f"neighbor_jaccard_at_{size}"
        assert sum(bar.get_height() for bar in axis.patches) == pytest.approx(100)
        assert axis.get_xlim()[0] < 0 < 1 < axis.get_xlim()[1]
        middles = np.array([bar.get_x() + bar.get_width() / 2 for bar in axis.patches])
        drawn = sum(middles * [bar.get_height() / 100 for bar in axis.patches])
        assert drawn == pytest.approx(result[key], abs=1e-9 if size <= 50 else 0.01)  # wide sets: a bar for some sizes
        chance, mean = axis.lines
        assert chance.get_xdata()[0] == result[f"expected_{key}"]
        assert mean.get_xdata()[0] == result[key]
        assert spans_of(axis) == [(result[f"{key}_low"], result[f"{key}_high"])]
        (said,) = axis.texts
        shown = f"mean {result[key]:.3f}", f"chance {result[f'expected_{key}']:.3f}"
        assert said.get_text().splitlines()[::2] == [*shown]
    assert figure.get_suptitle() == f"Same neighbours? 200 of 200 points asked; cka {result['cka']:.3f}"


def test_plot_needs_details():
    with pytest.raises(ValueError, match="details=True"):
        overlap.plot(overlap.compute(predictions=COMPRESSED, large_predictions=LARGE, k=2))
