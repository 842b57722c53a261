"""Cells and authorities that an experiment leaves out by a rule instead of by name.

Nothing is deleted: a cell that is left out keeps its figure in the cube and goes to the dropped
cells with the rule as its reason.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from data_prep.errors import DataError, Fault
from data_prep.schema import CONFIDENCE, measures_in

CHILDREN = "population_0_17"


def leave_out_by_confidence(cube: xr.DataTree, confidence: Sequence[str]) -> xr.DataTree:
    """The cube with cells marked that an authority itself trusts as little as ``confidence`` says.

    Parameters
    ----------
    confidence
        Flags of the DfE's confidence columns, as in `data_prep.schema.CONFIDENCES`.

    Returns
    -------
    DataTree
        The same, with a variable ``<measure>_left_out`` (la, year) of reasons, blank where a cell
        stays, for each measure that has flags.

    Raises
    ------
    DataError
        When no measure of the cube has such a flag: the rule would leave out nothing unseen.
    """
    if not confidence:
        return cube
    table = cube["cube"].to_dataset()
    flagged = [name for name in measures_in(table) if f"{name}_confidence" in table]
    marks = {}
    for name in flagged:
        flags = table[f"{name}_confidence"]
        reasons = np.full(flags.shape, "", dtype="<U40")
        for word in confidence:
            reasons[flags.to_numpy() == CONFIDENCE[word]] = f"left out, confidence {word}"
        marks[f"{name}_left_out"] = (flags.dims, reasons)
    if not any((reasons != "").any() for _, reasons in marks.values()):
        raise DataError(
            [
                Fault(
                    file=str(cube.attrs["name"]),
                    column="data.leave_out_confidence",
                    value=", ".join(confidence),
                    problem="no figure of this cube carries such a flag (they were collected for "
                    "2010 to 2015)",
                    remedy="take the rule out of the config, or use a cube with those years",
                )
            ]
        )
    marked = cube.copy()
    marked["cube"] = xr.DataTree(table.assign(marks))
    return marked


def why_left_out(table: xr.Dataset, measure: str) -> np.ndarray:
    """Reason for each cell of a measure (la, year), blank where it was not left out."""
    reasons = table.get(f"{measure}_left_out")
    if reasons is None:
        return np.full((table.sizes["la"], table.sizes["year"]), "")
    return reasons.transpose("la", "year").to_numpy().astype(str)


def small_authorities(cube: xr.DataTree, least_children: int) -> tuple[str, ...]:
    """Codes of authorities that had fewer children than ``least_children`` on average.

    One whose number of children is not known in any year is not small.
    """
    children = cube["cube"].to_dataset()[CHILDREN]
    small = (children.mean("year") < least_children).to_numpy()
    return tuple(str(code) for code in children["la"].values[np.flatnonzero(small)])
