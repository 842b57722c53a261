"""The scaled map: variances, separate parts, areas without neighbours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.spatial import spatial_basis

GRID = np.array([(i, i + 1) for i in range(11) if i % 4 != 3] + [(i, i + 4) for i in range(8)])


def test_geometric_mean_of_variances_is_one() -> None:
    basis = spatial_basis(12, GRID)
    variances = (basis.vectors**2).sum(axis=1)
    assert np.exp(np.log(variances).mean()) == pytest.approx(1)
    assert basis.vectors.shape == (12, 11)
    assert np.ptp(variances) > 0.1, "areas at the edge vary more"


def test_covariance_is_the_scaled_inverse_of_the_laplacian() -> None:
    basis = spatial_basis(12, GRID)
    covariance = basis.vectors @ basis.vectors.T
    laplacian = np.zeros((12, 12))
    for a, b in GRID:
        laplacian[a, a] += 1
        laplacian[b, b] += 1
        laplacian[a, b] -= 1
        laplacian[b, a] -= 1
    inverse = np.linalg.pinv(laplacian)
    scale = np.exp(np.log(np.diag(inverse)).mean())
    assert covariance == pytest.approx(inverse / scale)


def test_parts_that_do_not_touch_are_scaled_separately() -> None:
    apart = np.concatenate([GRID, np.array([(12, 13), (14, 15), (15, 16)])])
    basis = spatial_basis(18, apart)
    variances = (basis.vectors**2).sum(axis=1)
    for members in (range(12), range(12, 14), range(14, 17)):
        assert np.exp(np.log(variances[list(members)]).mean()) == pytest.approx(1)
    assert basis.vectors[:12, 11:] == pytest.approx(0)
    # The last area has no neighbour: nothing structured is left for it.
    assert basis.vectors[17] == pytest.approx(0)
    assert list(np.flatnonzero(~basis.has_neighbours)) == [17]


def test_a_map_without_borders_has_no_component() -> None:
    basis = spatial_basis(3, np.zeros((0, 2), int))
    assert basis.vectors.shape == (3, 0)
    assert not basis.has_neighbours.any()


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25),
    st.permutations(range(10)),
)
def test_names_and_directions_of_areas_do_not_matter(
    borders: list[tuple[int, int]], order: list[int]
) -> None:
    edges = np.array(borders, int).reshape(-1, 2)
    covariance = spatial_basis(10, edges).vectors
    covariance = covariance @ covariance.T
    renamed = np.array(order)[edges][:, ::-1]
    other = spatial_basis(10, np.concatenate([renamed, renamed])).vectors
    other = other @ other.T
    assert other[np.ix_(order, order)] == pytest.approx(covariance, abs=1e-8)
