"""The rows of a proof lie where a compiled form could diverge from its pipeline."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from loan_api.scoring.columns import Columns, columns_of, row_count
from loan_api.scoring.compiled import ModelInput
from tests.support.forms import SHIPPED
from training.compilation.levers import derived_values, find_lever
from training.compilation.proof import SplitPoints, proof_applications
from training.compilation.trees import Tree, TreeEnsemble, turning_points
from training.compilation.visits import split_points_of
from training.registry.golden import probe_applications

EDGES = {number.name: number.bins or () for number in SHIPPED.numbers}
DERIVED = tuple(derived.name for derived in SHIPPED.derived)


def invented() -> Columns:
    return columns_of(SHIPPED, probe_applications(SHIPPED, EDGES)[:200])


def proof_of(splits: Mapping[str, SplitPoints]) -> Columns:
    return proof_applications(SHIPPED, invented(), EDGES, splits)


def rows_with(columns: Columns, column: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = {**columns, **derived_values(SHIPPED, columns)}[column]
    return values


def one_split(threshold: float) -> Tree:
    return Tree(
        np.array([4]), np.array([threshold]), np.array([-1]), np.array([-2]), np.array([0.0, 1.0]), np.array([False])
    )


@pytest.mark.parametrize("derived", DERIVED)
def test_a_lever_has_the_neighbouring_numbers_between_which_a_derived_feature_crosses_a_value(derived: str) -> None:
    applications = invented()
    values = np.random.default_rng(5).permutation(rows_with(applications, derived)) * 1.01
    lever = find_lever(SHIPPED, applications, derived, values)
    assert len(lever.rows) > 190
    assert np.array_equal(np.abs(np.nextafter(lever.before, lever.after)), np.abs(lever.after))
    some = {name: column[lever.rows] for name, column in applications.items()}
    before, after = (
        rows_with({**some, lever.name: moved}, derived) >= values[lever.rows] for moved in (lever.before, lever.after)
    )
    assert (before != after).all()


@pytest.mark.parametrize("column", [*(number.name for number in SHIPPED.numbers), *DERIVED])
def test_rows_lie_on_both_sides_of_every_split(column: str) -> None:
    points = np.quantile(rows_with(invented(), column), [0.3, 0.7]) * 1.0001
    splits = SplitPoints(np.repeat(points, 20), np.arange(40))
    rows = rows_with(proof_of({column: splits}), column)
    for point in points:
        # A derived feature does not take every value.
        nearest = 1e-15 * abs(point) * 4
        assert np.count_nonzero((rows < point) & (rows >= point - nearest)) > 10
        assert np.count_nonzero((rows > point) & (rows <= point + nearest)) > 10
        if column not in DERIVED:
            assert {np.nextafter(point, -np.inf), point, np.nextafter(point, np.inf)} <= set(rows)


def test_every_category_and_the_ends_of_every_range_are_there() -> None:
    rows = proof_of({})
    for category in SHIPPED.categories:
        assert set(rows[category.name]) == set(range(len(category.values)))
    for number in SHIPPED.numbers:
        assert {number.minimum, number.maximum, *EDGES[number.name]} - {0} <= set(rows[number.name])
        assert max(rows[number.name]) > number.maximum
    assert np.isfinite(np.array(list(derived_values(SHIPPED, rows).values()))).all()
    assert min(rows["cibil_score"]) == 299
    # Zero would cause a division by zero.
    assert min(rows["income_annum"]) == 1


def test_a_proof_is_never_too_large_and_always_the_same() -> None:
    splits = SplitPoints(np.linspace(1.5, 1e6, 6000), np.arange(6000) % 200)
    first, second = (proof_of({n.name: splits for n in SHIPPED.numbers}) for _ in range(2))
    assert 39_000 < row_count(first) <= 40_000
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("threshold", [0.5, 0.1, 549.5, 1 / 3, 1e7 + 0.3, float(np.float32(0.1))])
def test_rounded_inputs_change_sides_where_rounding_does(threshold: float, strict: bool) -> None:
    ensemble = TreeEnsemble([one_split(threshold)], strict=strict, single_inputs=True)
    [point] = turning_points(ensemble, ensemble.trees[0])
    around = np.array([np.nextafter(point, -np.inf), point, np.nextafter(point, np.inf)])
    rounded = around.astype(np.float32).astype(np.float64)
    passed = rounded < threshold if strict else rounded <= threshold
    assert passed[0]
    assert not passed[2]


def test_a_turn_is_tried_on_an_application_that_comes_by_its_split() -> None:
    """Use a tree whose second split only values above 1 reach, and whose third none reaches."""
    tree = Tree(
        inputs=np.array([0, 1, 1]),
        thresholds=np.array([1.0, 5.0, 7.0]),
        passed=np.array([-1, -2, -3]),
        failed=np.array([1, 2, -4]),
        leaves=np.arange(4.0),
        missing_passes=np.array([False, False, False]),
    )
    matrix = np.array([[0.0, 4.0], [1.0, 4.0], [2.0, 4.0], [3.0, 4.0]])
    splits = split_points_of(TreeEnsemble([tree]), [ModelInput("loan_term"), ModelInput("loan_amount")], matrix)
    assert set(splits) == {"loan_term", "loan_amount"}
    assert set(splits["loan_term"].points) == {1.0}
    assert set(splits["loan_term"].bases) == {0, 1, 2, 3}
    by_point = {p: set(splits["loan_amount"].bases[splits["loan_amount"].points == p]) for p in (5.0, 7.0)}
    assert by_point == {5.0: {2, 3}, 7.0: {0, 1, 2, 3}}


def test_categories_need_no_turns() -> None:
    ensemble = TreeEnsemble([one_split(0.5)])
    inputs = [ModelInput("education", equals="Graduate")] * 5
    assert split_points_of(ensemble, inputs, np.zeros((3, 5))) == {}
