"""Social workers of simulated England: employed, agency, vacancies, leavers, cases and holders.

Published England figures (30 September 2015 on): about 21 full-time equivalents per 10,000
children, 16 % agency, 17 % vacant, 15 % leaving in the year, half of all with cases, 17 each.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from data_prep.simulated.options import SimulationOptions
from data_prep.simulated.streams import normals_by_year, stream

_PER_CHILD = 21 / 1e4
_STAFF_SD, _STAFF_SCATTER, _STAFF_DEPRIVATION = 0.20, 0.06, 0.12
_AGENCY, _AGENCY_SD, _AGENCY_SCATTER, _AGENCY_DEPRIVATION = 0.13, 0.70, 0.35, 0.10
_VACANCY, _VACANCY_SD, _VACANCY_SCATTER = 0.14, 0.50, 0.35
_LEAVING, _LEAVING_SD, _LEAVING_SCATTER = 0.15, 0.25, 0.30
_CASELOAD, _CASELOAD_SD, _CASELOAD_SCATTER = 16.5, 0.15, 0.08
# Share of staff, agency workers among them, who hold cases: 51-54 per cent in all years published.
_CASE_HOLDERS = 0.52


@dataclass(frozen=True)
class Workforce:
    """Values (la, T) by measure before rounding, and the agency share (la, T) behind them."""

    values: dict[str, np.ndarray]
    agency_share: np.ndarray


def draw_workforce(
    options: SimulationOptions,
    population: np.ndarray,
    deprivation: np.ndarray,
    la_years: np.ndarray,
) -> Workforce:
    """Draw staff from true children (la, T) and the driving deprivation score (la)."""
    levels = stream(options.seed, "workforce levels").standard_normal((5, options.las, 1))
    scatter = normals_by_year(options.seed, "workforce", la_years, (5, options.las))
    scatter = scatter.transpose(1, 2, 0)
    need = options.deprivation_scale * deprivation[:, None]
    staff = population * np.exp(
        np.log(_PER_CHILD)
        + _STAFF_DEPRIVATION * need
        + _STAFF_SD * levels[0]
        + _STAFF_SCATTER * scatter[0]
    )
    agency = expit(
        logit(_AGENCY)
        + _AGENCY_DEPRIVATION * need
        + _AGENCY_SD * levels[1]
        + _AGENCY_SCATTER * scatter[1]
    )
    # Vacant posts are a share of posts that are filled by permanent staff or vacant.
    vacant = expit(logit(_VACANCY) + _VACANCY_SD * levels[2] + _VACANCY_SCATTER * scatter[2])
    leaving = expit(logit(_LEAVING) + _LEAVING_SD * levels[3] + _LEAVING_SCATTER * scatter[3])
    caseload = _CASELOAD * np.exp(_CASELOAD_SD * levels[4] + _CASELOAD_SCATTER * scatter[4])
    permanent = staff * (1 - agency)
    vacancies = permanent * vacant / (1 - vacant)
    case_holders = staff * _CASE_HOLDERS
    cases = np.round(case_holders * caseload)
    return Workforce(
        values={
            "social_workers": staff,
            "agency_workers": staff * agency,
            "permanent_workers": permanent,
            "posts": permanent + vacancies,
            "vacancies": vacancies,
            "leavers": permanent * leaving,
            "case_holders": case_holders,
            "cases": cases,
            # The caseload drawn, but for the rounding of cases.
            "caseload": cases / case_holders,
        },
        agency_share=agency,
    )
