"""Declared columns of the DfE children's social work workforce, September 2015 to 2025.

30 September lies in the financial year that ends in the next March: September 2015 is 2016.
Full-time equivalents of authorities are printed to one decimal; England is rounded to 10 in the
two first releases and printed to one decimal since. Rates are whole numbers for September 2015 and
have one decimal since. Definitions, verified by rebuilding each printed rate from its figures:

- agency rate = agency / (agency + employed); employed staff ("in post") hold no agency workers;
- vacancy rate = vacancies / (vacancies + employed);
- turnover rate = leavers in the 12 months to 30 September / employed;
- average caseload = cases / case holders, agency workers among them (from September 2017 only:
  that of September 2016 follows another rule and has no denominator in the file).

Markers. First releases: ``x`` a number of one to five people, ``..`` not supplied, ``.`` not
applicable. Region totals show that every ``x`` hides 5 or less. Explore Education Statistics:
``x`` not available, ``c`` hidden, ``z`` not applicable, ``u`` too unreliable to print, ``low``
above zero but rounded to it, ``:`` not available.

Sources: SFR07/2016 and SFR08/2017 underlying data; "Children's social work workforce", release of
September 2025 figures.
"""

import re
from dataclasses import dataclass

from data_prep.markers import NOT_APPLICABLE, NOT_AVAILABLE, ROUNDED, SFR, SUPPRESSED, Dialect
from data_prep.sources.panel import LATEST, Panel
from data_prep.sources.wide import Layout

EES = Dialect(
    "Explore Education Statistics, children's social work workforce",
    {
        "c": SUPPRESSED,
        "x": NOT_AVAILABLE,
        ":": NOT_AVAILABLE,
        "u": NOT_AVAILABLE,
        "z": NOT_APPLICABLE,
        "low": ROUNDED,
    },
)
UNRELIABLE, NEAR_ZERO = "u", "low"

EMPLOYED, AGENCY, VACANCIES, LEAVERS = (
    "permanent_workers",
    "agency_workers",
    "vacancies",
    "leavers",
)


@dataclass(frozen=True)
class Ratio:
    """A printed rate: ``measure`` / ``base`` x ``per``."""

    measure: str
    base: str
    per: int
    header: str


@dataclass(frozen=True)
class Release:
    """A release's table: header of each measure, printed rates and how they are rounded.

    ``joint`` holds pairs of three-digit codes: the first one's line speaks for both authorities,
    the second's holds no number.
    """

    plan: Layout | Panel
    released: int
    measures: dict[str, str]
    ratios: tuple[Ratio, ...]
    england_unit: float
    rate_decimals: int
    joint: tuple[tuple[str, str], ...] = ()


_SFR_UNUSED = re.compile(
    r"CiNperCSW_\w+|Country_(code|name)|Region_(code|name)"
    r"|Number_of_cases(_held_by_front_line_social_workers)?"
    r"|[A-D]\d[a-z]{0,2}_(FTE|Headcount)_.+"
)


def _first_release(
    year: int,
    release: str,
    file_name: str,
    *,
    rate_decimals: int,
    caseload: str = "",
    joint: tuple[tuple[str, str], ...] = (),
) -> Release:
    printed = year - 1
    measures = {
        EMPLOYED: f"A1_FTE_ChildrensSocialWorkers_{printed}",
        LEAVERS: f"B2_FTE_Leavers_{printed}",
        AGENCY: f"D1_FTE_AgencyWorkers_{printed}",
        VACANCIES: f"A2_FTE_Vacancies_{printed}",
    }
    ratios = (
        Ratio(LEAVERS, EMPLOYED, 100, f"B3_FTE_TurnoverRate_{printed}"),
        Ratio(AGENCY, "social_workers", 100, f"D2_FTE_AgencyWorkerRate_{printed}"),
        Ratio(VACANCIES, "posts", 100, f"A3_FTE_VacancyRate_{printed}"),
    )
    if caseload:
        measures["caseload"] = caseload
    figures = (*measures.values(), *(ratio.header for ratio in ratios))
    plan = Layout(
        name=f"children's social work workforce, September {printed}",
        release=release,
        file_name=file_name,
        year=year,
        released=year,
        dialect=SFR,
        dfe_code="LA_code (3 digit)",
        la_code="LA_code (9 digit)",
        area_name="LA_name",
        other_identity=("Country_code", "Country_name", "Region_code", "Region_name"),
        figures=figures,
        fingerprint=frozenset(figures),
        is_unused=lambda header: _SFR_UNUSED.fullmatch(header) is not None,
    )
    return Release(plan, year, measures, ratios, 10, rate_decimals, joint)


_EES_MEASURES = {
    EMPLOYED: "inpost_fte",
    LEAVERS: "leavers_fte",
    AGENCY: "agency_fte",
    VACANCIES: "vacancy_fte",
    "case_holders": "case_holders_fte",
    "cases": "cases",
    "caseload": "caseload_fte",
}
_EES_RATIOS = (
    Ratio(LEAVERS, EMPLOYED, 100, "turnover_rate_fte"),
    Ratio(AGENCY, "social_workers", 100, "agency_rate_fte"),
    Ratio(VACANCIES, "posts", 100, "vacancy_rate_fte"),
    Ratio("cases", "case_holders", 1, "caseload_fte"),
)
_EES_UNUSED = (
    "inpost_headcount starters_fte starters_headcount leavers_headcount turnover_rate_headcount"
    " agency_headcount agency_rate_headcount agency_cover_fte agency_cover_rate_fte"
    " vacancy_agency_cover_rate_fte working_days_lost_fte absence_rate_fte"
)
_EES_FIGURES = tuple(
    dict.fromkeys((*_EES_MEASURES.values(), *(ratio.header for ratio in _EES_RATIOS)))
)

RELEASES: tuple[Release, ...] = (
    _first_release(2016, "SFR07/2016", "SFR07_2016_UD.csv", rate_decimals=0),
    _first_release(
        2017,
        "SFR08/2017",
        "SFR08_2017_UD.csv",
        rate_decimals=1,
        caseload="Average_caseload",
        # Kingston upon Thames prints both authorities' staff, Richmond upon Thames a dot.
        joint=(("314", "318"),),
    ),
    Release(
        Panel(
            name="children's social work workforce, from September 2017",
            release="Children's social work workforce",
            file_name="csww_indicators_2017_to_2025.csv",
            years=range(2018, LATEST),
            dialect=EES,
            figures=_EES_FIGURES,
            unused=tuple(_EES_UNUSED.split()),
            fingerprint=frozenset(_EES_FIGURES),
            shift=1,
            edition="release of September {period}",
        ),
        # Each release prints all years anew and is named by its last one.
        LATEST,
        _EES_MEASURES,
        _EES_RATIOS,
        0.1,
        1,
    ),
)
