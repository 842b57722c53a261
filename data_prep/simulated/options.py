"""What can be asked of simulated England: size, window, effects and untidiness."""

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from data_prep.errors import DataError, Fault
from data_prep.simulated.processes import (
    RateProcess,
    ShareProcess,
    parameters_of,
    with_overrides,
)

# 31 March 2008, the end of the year at which the default trends break.
DEFAULT_SEED = 20080331
FIRST_POSSIBLE_YEAR, LAST_POSSIBLE_YEAR = 1990, 2035

Year = Annotated[int, Field(ge=FIRST_POSSIBLE_YEAR, le=LAST_POSSIBLE_YEAR)]
Scale = Annotated[float, Field(ge=0.0, le=5.0)]
Percent = Annotated[float, Field(ge=0.0, le=100.0)]
LogOdds = Annotated[float, Field(ge=-3.0, le=3.0)]
Change = Annotated[float, Field(ge=-90.0, le=300.0)]


class SimulationOptions(BaseModel):
    """Options of :func:`build_simulated`; each says its unit, and every effect can be zero.

    Raises
    ------
    DataError
        Naming every unknown option and every impossible value at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True)

    # Size and window.
    name: str = Field("simulated", pattern=r"^[a-z0-9][a-z0-9_-]*$", description="name of the cube")
    seed: int = Field(DEFAULT_SEED, ge=0, description="root seed of all random numbers")
    las: int = Field(152, ge=2, le=400, description="number of LAs")
    first_year: Year = Field(2001, description="first year with LA figures")
    last_year: Year = Field(2014, description="last year with LA figures")
    national_years: tuple[Year, ...] = Field(
        (), description="earlier years for which only England totals exist; gaps are allowed"
    )
    collection: Literal["every_year", "as_in_england"] = Field(
        "every_year",
        description="which years a measure is published for: all that its definition allows, or "
        "only those in which England published it",
    )
    tiny_las: int = Field(
        2, ge=0, le=5, description="LAs with very few children, if there are 20 LAs"
    )

    # National trends.
    knot_year: Year = Field(2008, description="last year before trends break")
    break_scale: Scale = Field(1.0, description="multiplies every break at the knot; 0 removes it")
    trend_walk_sd: float = Field(
        0.015, ge=0, le=0.5, description="SD of yearly departures from the smooth path, log scale"
    )
    regime_scale: Scale = Field(
        1.0, description="multiplies the log effect of earlier definitions; 0 removes it"
    )

    # Differences between LAs.
    slope_year: Year = Field(2008, description="year in which an LA's slope is zero")
    level_sd_scale: Scale = Field(1.0, description="multiplies every SD of LA levels")
    slope_sd_scale: Scale = Field(1.0, description="multiplies every SD of LA slopes")
    level_slope_correlation: float = Field(
        -0.2, ge=-0.95, le=0.95, description="correlation of an LA's level and slope"
    )
    level_correlation_length: float = Field(
        1.0,
        ge=0,
        le=100,
        description="distance along the funnel at which correlation of levels falls to 1/e",
    )
    deprivation_scale: Scale = Field(1.0, description="multiplies every effect of deprivation")
    deprivation_drift_percent: float = Field(
        0.0,
        ge=-10,
        le=10,
        description="yearly change of every rate's deprivation effect, per cent per SD",
    )
    spatial_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="part of the variance of levels beyond deprivation that is smooth in space",
    )
    spatial_range_km: float = Field(60.0, gt=0, le=1000, description="range of the smooth part")

    # Scatter of LA-years.
    scatter_scale: Scale = Field(
        1.0, description="multiplies the SD of overdispersion; 0 gives Poisson and binomial counts"
    )
    scatter_correlation_length: float = Field(
        1.4,
        ge=0,
        le=100,
        description="distance along the funnel at which correlation of one LA-year's scatter falls "
        "to 1/e",
    )
    scatter_persistence: float = Field(
        0.0, ge=-0.95, le=0.95, description="correlation of an LA's scatter from year to year"
    )

    # Timeliness and re-referral.
    timeliness_within: LogOdds = Field(
        -0.02, description="log odds of re-referral per +10 points of timeliness, within LAs"
    )
    timeliness_within_sd: float = Field(
        0.0, ge=0, le=1, description="SD between LAs of the effect within"
    )
    timeliness_between: LogOdds = Field(
        -0.04, description="log odds of re-referral per +10 points of timeliness, between LAs"
    )

    # Inspections and what follows.
    inadequate_percent: float = Field(
        16.0, gt=0, lt=100, description="chance of inadequate in a typical LA, per cent"
    )
    inadequate_timeliness: LogOdds = Field(
        -0.5, description="log odds of inadequate per SD of timeliness the year before"
    )
    inadequate_rereferral: LogOdds = Field(
        0.4, description="log odds of inadequate per SD of re-referral share the year before"
    )
    inadequate_agency: LogOdds = Field(
        0.4, description="log odds of inadequate per SD of agency share the year before"
    )
    inadequate_deprivation: LogOdds = Field(
        0.2, description="log odds of inadequate per SD of deprivation"
    )
    aftermath_percent: tuple[Change, Change, Change] = Field(
        (5.0, 10.0, 8.0),
        description="change of enquiries, conferences and plans started in the year an inadequate "
        "judgement is published and the two years after, per cent",
    )

    # Untidiness of publication.
    suppression: bool = Field(True, description="hide counts from 1 to 5")
    rounding: bool = Field(True, description="round populations, looked-after counts, totals")
    missing_returns_percent: Percent = Field(
        0.8, description="LA-years without any children in need return"
    )
    missing_cells_percent: Percent = Field(0.2, description="single cells missing")
    low_reliability_percent: Percent = Field(0.2, description="cells called unreliable")
    uncertain_population_before: Year | None = Field(
        None, description="England populations of earlier years are known as intervals only"
    )
    uncertain_population_percent: float = Field(
        1.5, gt=0, le=20, description="half width of those intervals"
    )
    national_total_sd: float = Field(
        0.01, ge=0, le=0.5, description="log SD of England totals in years without LA figures"
    )

    # Anything in the tables of processes.
    overrides: dict[str, float] = Field(
        default_factory=dict,
        description="parameters of single measures, as in {'section47.slope_sd': 0}",
    )

    def __init__(self, **values: object) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise DataError(
                [
                    Fault(
                        problem=fault["msg"],
                        remedy=_remedy(str(fault["loc"][0]) if fault["loc"] else ""),
                        column=".".join(map(str, fault["loc"])),
                        value=repr(fault["input"]),
                    )
                    for fault in error.errors()
                ]
            ) from error

    @model_validator(mode="after")
    def _check_together(self) -> "SimulationOptions":
        faults = [*self._window_faults(), *self._override_faults()]
        if not faults:
            faults = self._level_faults()
        if faults:
            raise DataError(faults)
        return self

    def _window_faults(self) -> list[Fault]:
        faults = []
        if self.last_year < self.first_year:
            faults.append(
                Fault(
                    problem=f"last_year comes before first_year ({self.first_year})",
                    remedy="name a window that has at least one year",
                    column="last_year",
                    value=str(self.last_year),
                )
            )
        if list(self.national_years) != sorted(set(self.national_years)) or any(
            year >= self.first_year for year in self.national_years
        ):
            faults.append(
                Fault(
                    problem="national_years are not rising years before first_year",
                    remedy=f"name years before {self.first_year}, each once, in order",
                    column="national_years",
                    value=str(self.national_years),
                )
            )
        return faults

    def _override_faults(self) -> list[Fault]:
        faults = []
        for path, value in self.overrides.items():
            measure, _, parameter = path.partition(".")
            known = parameters_of(measure)
            if parameter not in known:
                faults.append(
                    Fault(
                        problem="no such parameter of a simulated measure",
                        remedy=f"name one of {', '.join(known)}"
                        if known
                        else "write <measure>.<parameter> with a count measure of the registry",
                        column=f"overrides.{path}",
                        value=str(value),
                    )
                )
                continue
            smallest, largest, unit = known[parameter]
            if math.isnan(value) or not smallest <= value <= largest:
                faults.append(
                    Fault(
                        problem=f"outside {smallest:g} to {largest:g} {unit}",
                        remedy="choose a value within these bounds",
                        column=f"overrides.{path}",
                        value=str(value),
                    )
                )
        return faults

    def _level_faults(self) -> list[Fault]:
        rates, shares = with_overrides(self.overrides)
        processes: dict[str, RateProcess | ShareProcess] = {**rates, **shares}
        return [
            Fault(
                problem=f"the deprivation effect {effect:.3g} exceeds the SD of levels {sd:.3g}",
                remedy="raise level_sd or lower the deprivation effect",
                column=f"{name}.level_sd",
                value=f"{sd:.3g}",
            )
            for name, process in processes.items()
            if (effect := abs(process.deprivation) * self.deprivation_scale)
            > (sd := process.level_sd * self.level_sd_scale) + 1e-12
        ]


def _remedy(option: str) -> str:
    field = SimulationOptions.model_fields.get(option)
    if field is None:
        return f"options are {', '.join(SimulationOptions.model_fields)}"
    return f"{option} is: {field.description}"
