"""Smooth variation over a map of neighbours, drawn from plain normals.

The structured part of the BYM2 model (Riebler, Sorbye, Simpson and Rue, 2016) has as covariance the
generalised inverse of the map's graph Laplacian, scaled so that the geometric mean of its variances
is one. Written through the Laplacian's eigenvectors it is a sum of independent normals: it can be
drawn forwards, which an intrinsic autoregression cannot. Parts of the map that do not touch are
scaled separately (Freni-Sterrantino, Ventrucci and Rue, 2018); an area without a neighbour has no
structured part.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class SpatialBasis:
    """``vectors`` (area, component): times standard normals they give the structured part.

    ``has_neighbours`` (area,) is False for areas whose row of ``vectors`` is zero.
    """

    vectors: np.ndarray
    has_neighbours: np.ndarray


def spatial_basis(areas: int, borders: np.ndarray) -> SpatialBasis:
    """Scaled eigenvectors of the graph Laplacian of each connected part of a map.

    Parameters
    ----------
    areas
        How many areas there are.
    borders : (edge, 2)
        Positions of neighbouring areas; direction and repetition do not matter.
    """
    borders = np.asarray(borders, int).reshape(-1, 2)
    touching = np.zeros((areas, areas))
    touching[borders[:, 0], borders[:, 1]] = touching[borders[:, 1], borders[:, 0]] = 1
    np.fill_diagonal(touching, 0)
    parts, part_of = connected_components(coo_array(touching), directed=False)
    columns = []
    for part in range(parts):
        members = np.flatnonzero(part_of == part)
        if len(members) < 2:
            continue
        own = touching[np.ix_(members, members)]
        values, vectors = np.linalg.eigh(np.diag(own.sum(0)) - own)
        # The first eigenvalue of a connected graph is zero: its level belongs to the mean.
        vectors, values = vectors[:, 1:], values[1:]
        variances = (vectors**2 / values).sum(axis=1)
        block = np.zeros((areas, len(values)))
        block[members] = vectors / np.sqrt(values * np.exp(np.log(variances).mean()))
        columns.append(block)
    basis = np.concatenate(columns, axis=1) if columns else np.zeros((areas, 0))
    return SpatialBasis(basis, touching.any(axis=0))
