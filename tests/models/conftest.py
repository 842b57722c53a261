"""Small simulated worlds, built once."""

import pytest
import xarray as xr

from data_prep.simulated import SimulationOptions, build_simulated


@pytest.fixture(scope="session")
def small_world() -> xr.DataTree:
    """24 simulated LAs, 2006-2014, a change of definition among them."""
    return build_simulated(SimulationOptions(seed=1, las=24, first_year=2006))


@pytest.fixture(scope="session")
def totals_world() -> xr.DataTree:
    """24 simulated LAs from 2010, England totals alone from 2003 to 2009."""
    return build_simulated(
        SimulationOptions(seed=2, las=24, first_year=2010, national_years=tuple(range(2003, 2010)))
    )
