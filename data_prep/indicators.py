"""Every published measure and indicator, defined once.

A *measure* is a published column: a count, a full-time-equivalent or a mean, by LA and year. An
*indicator* is a numerator measure over a denominator measure. Definitions follow the publishers'
metadata: DfE children in need census underlying data (2010-2017) and Explore Education Statistics,
DfE looked-after children (SSDA903), DfE children's social work workforce, ONS mid-year population
estimates. Years are financial years ending 31 March.
"""

from collections.abc import Mapping
from dataclasses import dataclass

CIN = "DfE children in need census"
CLA = "DfE looked-after children return (SSDA903)"
WORKFORCE = "DfE children's social work workforce census"


@dataclass(frozen=True)
class Regime:
    """A span of years in which a measure kept one definition; ``None`` leaves that end open."""

    name: str
    first_year: int | None
    last_year: int | None

    def holds_in(self, year: int) -> bool:
        return (self.first_year is None or year >= self.first_year) and (
            self.last_year is None or year <= self.last_year
        )


@dataclass(frozen=True)
class Revision:
    """A change of method that releases from ``first_release`` on apply to ``from_year`` and later,
    years that earlier releases had published under the old method among them.
    """

    name: str
    first_release: int
    from_year: int


@dataclass(frozen=True)
class Measure:
    """A published column.

    ``units`` is what one unit of the value counts. ``is_count`` is False for full-time equivalents
    and means, which need not be whole numbers, and for cases held. ``parent`` is the measure that
    this one is a part of, where the parts are true subsets.
    """

    name: str
    label: str
    units: str
    definition: str
    source: str
    regimes: tuple[Regime, ...] = ()
    is_count: bool = True
    parent: str | None = None
    revision: Revision | None = None

    def regime_name(self, year: int, released: int) -> str:
        """Name of the definition that a release applies to ``year``; blank where none ever changed
        before or since.
        """
        regime = next((regime.name for regime in self.regimes if regime.holds_in(year)), "")
        revision = self.revision
        if revision and year >= revision.from_year and released >= revision.first_release:
            return f"{regime}, {revision.name}" if regime else revision.name
        return regime or ("method before revision" if revision else "")

    def regimes_of(self, releases: Mapping[int, int]) -> tuple[Regime, ...]:
        """Spans of one definition, given the release that each year's figures come from."""
        spans: list[tuple[str, int, int]] = []
        for year in sorted(releases):
            name = self.regime_name(year, releases[year])
            if spans and spans[-1][0] == name:
                spans[-1] = (name, spans[-1][1], year)
            else:
                spans.append((name, year, year))
        if not spans or not any(name for name, _, _ in spans):
            return ()
        return tuple(
            # The first definition reaches back, and the last one on, beyond the years at hand.
            Regime(
                name,
                self._first(name, first) if first == spans[0][1] else first,
                self._last(name, last) if last == spans[-1][2] else last,
            )
            for name, first, last in spans
        )

    def _first(self, name: str, year: int) -> int | None:
        known = {regime.name: regime.first_year for regime in self.regimes}
        return known.get(name, year)

    def _last(self, name: str, year: int) -> int | None:
        known = {regime.name: regime.last_year for regime in self.regimes}
        return known.get(name)


@dataclass(frozen=True)
class Indicator:
    """``numerator`` / ``denominator`` x ``per``; a share when the numerator is a true part of the
    denominator.
    """

    name: str
    label: str
    numerator: str
    denominator: str
    per: int
    is_share: bool


REGISTER_TO_PLANS = (
    Regime("child protection register", None, 2008),
    Regime("child protection plans", 2009, None),
)
AGGREGATE_TO_CENSUS = (
    Regime("CPR3 aggregate return", None, 2009),
    Regime("child-level census", 2010, None),
)
# A second referral on the day on which an episode closed counts as a re-referral, too (DfE,
# characteristics of children in need 2017 to 2018, which revised 2013 to 2017).
SAME_DAY_REREFERRALS = Revision("closures and referrals of one day counted", 2018, 2013)
# Open episodes were counted by another method in the release of 2018, back to 2013.
CIN_2018 = Revision("method of the 2018 release", 2018, 2013)
# Nothing printed says that ended episodes were counted anew, but nine in ten figures of 2013-2017
# fell, by 4.6 per cent in the middle, and none rose, between their first release and that of 2024,
# while starts and referrals stood still: another method, and not corrections.
ENDED_2018 = Revision("as counted in later releases", 2018, 2013)
FRONT_LINE_TO_ALL_CASES = (
    Regime("cases of front-line workers", None, 2017),
    Regime("all cases held", 2018, None),
)
WEEKS_TO_MONTHS = (
    Regime("up to 12 weeks", 2010, 2010),
    Regime("less than 3 months", 2011, None),
)


def format_regimes(regimes: tuple[Regime, ...]) -> str:
    """Text of an attribute: ``name: first-last`` joined by semicolons, open ends left blank."""
    return "; ".join(f"{r.name}: {r.first_year or ''}-{r.last_year or ''}" for r in regimes)


def parse_regimes(text: str) -> tuple[Regime, ...]:
    """The regimes that :func:`format_regimes` wrote."""
    found = []
    for part in filter(None, text.split("; ")):
        name, _, years = part.rpartition(": ")
        first, _, last = years.partition("-")
        found.append(Regime(name, int(first) if first else None, int(last) if last else None))
    return tuple(found)


# Names that keep their capital at the start of a label within a sentence; acronyms always do.
NAMES = frozenset({"England", "Ofsted"})


def within_sentence(label: str) -> str:
    """A label as it stands within a sentence: ``plans at 31 March``, ``NFA share``."""
    first = label.partition(" ")[0]
    is_name = first in NAMES or any(letter.isupper() for letter in first[1:])
    return label if is_name else label[:1].lower() + label[1:]


_MEASURES = (
    Measure(
        "population_0_17",
        "Children aged 0-17",
        "children",
        "Resident population aged 0-17 at the mid-year before the year ends (mid-2013 for the"
        " year ending March 2014).",
        "ONS mid-year population estimates",
    ),
    Measure(
        "referrals",
        "Referrals",
        "referrals",
        "Referrals to children's social care in the year; a child may be referred more than once.",
        CIN,
        regimes=AGGREGATE_TO_CENSUS,
    ),
    Measure(
        "rereferrals",
        "Re-referrals",
        "referrals",
        "Referrals in the year that came within 12 months of an earlier referral of the same "
        "child.",
        CIN,
        regimes=AGGREGATE_TO_CENSUS,
        parent="referrals",
        revision=SAME_DAY_REREFERRALS,
    ),
    Measure(
        "children_referred",
        "Children referred",
        "children",
        "Children with at least one referral in the year.",
        CIN,
        parent="referrals",
    ),
    Measure(
        "children_rereferred",
        "Children referred more than once",
        "children",
        "Children with more than one referral in the year: printed for 2010 in place of "
        "re-referrals, another measure.",
        CIN,
        parent="children_referred",
    ),
    Measure(
        "referrals_nfa",
        "Referrals with no further action",
        "referrals",
        "Referrals closed before any assessment.",
        CIN,
        parent="referrals",
    ),
    Measure(
        "referrals_not_in_need",
        "Referrals assessed, child not in need",
        "referrals",
        "Referrals closed after assessment because the child was not in need (closure reason "
        "RC8 or RC9).",
        CIN,
        parent="referrals",
    ),
    Measure(
        "initial_assessments",
        "Initial assessments",
        "assessments",
        "Initial assessments completed in the year; discontinued during 2013-14.",
        CIN,
    ),
    Measure(
        "initial_assessments_7_days",
        "Initial assessments within 7 working days",
        "assessments",
        "Initial assessments completed within 7 working days of referral, the standard to 2010.",
        CIN,
        parent="initial_assessments",
    ),
    Measure(
        "initial_assessments_10_days",
        "Initial assessments within 10 working days",
        "assessments",
        "Initial assessments completed within 10 working days of referral, the standard from "
        "2010-11.",
        CIN,
        parent="initial_assessments",
    ),
    Measure(
        "core_assessments",
        "Core assessments",
        "assessments",
        "Core assessments completed in the year; discontinued during 2013-14.",
        CIN,
    ),
    Measure(
        "core_assessments_35_days",
        "Core assessments within 35 working days",
        "assessments",
        "Core assessments completed within 35 working days.",
        CIN,
        parent="core_assessments",
    ),
    Measure(
        "single_assessments",
        "Single (continuous) assessments",
        "assessments",
        "Single assessments completed in the year; they replaced initial and core assessments"
        " from 2013-14.",
        CIN,
    ),
    Measure(
        "single_assessments_45_days",
        "Single assessments within 45 working days",
        "assessments",
        "Single assessments completed within 45 working days.",
        CIN,
        parent="single_assessments",
    ),
    Measure(
        "section47",
        "Section 47 enquiries",
        "enquiries",
        "Enquiries started in the year under section 47 of the Children Act 1989.",
        CIN,
    ),
    Measure(
        "icpc",
        "Initial child protection conferences",
        "conferences",
        "Children subject of an initial child protection conference in the year.",
        CIN,
    ),
    Measure(
        "icpc_15_days",
        "Conferences within 15 working days",
        "conferences",
        "Initial child protection conferences held within 15 working days of the start of the"
        " section 47 enquiry.",
        CIN,
        parent="icpc",
    ),
    Measure(
        "cpp_starts",
        "Child protection plans started",
        "plans",
        "Child protection plans that started in the year; registrations on the child "
        "protection register to March 2008.",
        CIN,
        regimes=REGISTER_TO_PLANS,
    ),
    Measure(
        "cpp_second_or_subsequent",
        "Second or subsequent plans",
        "plans",
        "Plans that started in the year and were not the child's first, however long ago that was.",
        CIN,
        regimes=REGISTER_TO_PLANS,
        parent="cpp_starts",
    ),
    Measure(
        "cpp_ended",
        "Child protection plans ended",
        "plans",
        "Child protection plans that ended in the year.",
        CIN,
    ),
    Measure(
        "cpp_ended_2_years",
        "Plans ended after 2 years or more",
        "plans",
        "Child protection plans that ended in the year having lasted 2 years or more.",
        CIN,
        parent="cpp_ended",
    ),
    Measure(
        "cpp_at_31_march",
        "Child protection plans at 31 March",
        "children",
        "Children on a child protection plan on 31 March; on the child protection register to"
        " March 2008.",
        CIN,
        regimes=REGISTER_TO_PLANS,
    ),
    Measure(
        "cpp_open_2_years",
        "Plans open 2 years or more at 31 March",
        "children",
        "Children on a plan on 31 March that had been open for 2 years or more.",
        CIN,
        parent="cpp_at_31_march",
    ),
    Measure(
        "cpp_due_review",
        "Plans open 3 months or more at 31 March",
        "children",
        "Children on a plan on 31 March that had been open for 3 months or more, so that "
        "reviews were due.",
        CIN,
        parent="cpp_at_31_march",
    ),
    Measure(
        "cpp_reviewed_on_time",
        "Plans reviewed on time",
        "children",
        "Children on a plan open 3 months or more on 31 March whose reviews were all held on time.",
        CIN,
        parent="cpp_due_review",
    ),
    Measure(
        "cin_starts",
        "Episodes of need started",
        "episodes",
        "Episodes of need that started in the year.",
        CIN,
    ),
    Measure(
        "cin_ended",
        "Episodes of need ended",
        "episodes",
        "Episodes of need that ended in the year.",
        CIN,
        revision=ENDED_2018,
    ),
    Measure(
        "cin_ended_3_months",
        "Episodes of need ended within 3 months",
        "episodes",
        "Episodes of need that ended in the year having lasted less than 3 months; 12 weeks or "
        "less in 2010.",
        CIN,
        regimes=WEEKS_TO_MONTHS,
        revision=ENDED_2018,
        parent="cin_ended",
    ),
    *(
        Measure(
            f"cin_ended_{name}",
            f"Episodes of need ended after {text}",
            "episodes",
            f"Episodes of need that ended in the year having lasted {text}; from 2011.",
            CIN,
            parent="cin_ended",
            revision=ENDED_2018,
        )
        for name, text in (
            ("3_6_months", "3 months to less than 6"),
            ("6_12_months", "6 months to less than a year"),
            ("1_2_years", "a year to less than 2"),
            ("2_years", "2 years or more"),
        )
    ),
    Measure(
        "cin_at_31_march",
        "Children in need at 31 March",
        "children",
        "Open episodes of need on 31 March, children looked after and on plans among them.",
        CIN,
        revision=CIN_2018,
    ),
    Measure(
        "cin_open_2_years",
        "Children in need for 2 years or more at 31 March",
        "children",
        "Episodes of need open on 31 March that had been open for 2 years or more.",
        CIN,
        parent="cin_at_31_march",
    ),
    Measure(
        "cla_at_31_march",
        "Children looked after at 31 March",
        "children",
        "Children looked after on 31 March.",
        CLA,
    ),
    Measure(
        "cla_starts",
        "Children who started to be looked after",
        "children",
        "Children who started to be looked after in the year.",
        CLA,
    ),
    Measure(
        "social_workers",
        "Social workers, agency staff included",
        "full-time equivalents",
        "Children's social workers at 30 September in the year: employed staff and agency workers "
        "together. Printed apart; the sum is the base of the published agency rate.",
        WORKFORCE,
        is_count=False,
    ),
    Measure(
        "agency_workers",
        "Agency social workers",
        "full-time equivalents",
        "Agency children's social workers at 30 September in the year.",
        WORKFORCE,
        is_count=False,
        parent="social_workers",
    ),
    Measure(
        "permanent_workers",
        "Social workers employed",
        "full-time equivalents",
        "Children's social workers employed by the authority (in post) at 30 September in the "
        "year, agency workers not among them.",
        WORKFORCE,
        is_count=False,
        parent="social_workers",
    ),
    Measure(
        "posts",
        "Social worker posts",
        "full-time equivalents",
        "Posts of children's social workers at 30 September in the year: employed staff and "
        "vacancies together. Printed apart; the sum is the base of the published vacancy rate.",
        WORKFORCE,
        is_count=False,
    ),
    Measure(
        "vacancies",
        "Social worker vacancies",
        "full-time equivalents",
        "Vacant children's social worker posts at 30 September in the year, those covered by "
        "agency workers among them.",
        WORKFORCE,
        is_count=False,
        parent="posts",
    ),
    Measure(
        "leavers",
        "Social workers who left",
        "full-time equivalents",
        "Children's social workers who left the authority's employment in the 12 months to "
        "30 September in the year.",
        WORKFORCE,
        is_count=False,
    ),
    Measure(
        "case_holders",
        "Social workers who hold cases",
        "full-time equivalents",
        "Children's social workers with cases at 30 September in the year, agency workers among "
        "them.",
        WORKFORCE,
        is_count=False,
    ),
    Measure(
        "cases",
        "Cases held",
        "cases",
        "Cases held by children's social workers at 30 September in the year; a whole number "
        "that serves as the numerator of the caseload and is no outcome of a model.",
        WORKFORCE,
        is_count=False,
    ),
    Measure(
        "caseload",
        "Average caseload",
        "cases per full-time equivalent",
        "Cases held per full-time equivalent case-holding social worker at 30 September in "
        "the year, as printed.",
        WORKFORCE,
        regimes=FRONT_LINE_TO_ALL_CASES,
        is_count=False,
    ),
)
MEASURES: dict[str, Measure] = {measure.name: measure for measure in _MEASURES}
# Means cannot be added up when authorities are joined.
NOT_ADDITIVE = frozenset({"caseload"})

_INDICATORS = (
    Indicator("referral_rate", "Referrals", "referrals", "population_0_17", 10_000, False),
    Indicator("rereferral_share", "Re-referrals", "rereferrals", "referrals", 100, True),
    Indicator("nfa_share", "No further action", "referrals_nfa", "referrals", 100, True),
    Indicator(
        "not_in_need_share",
        "Assessed, not in need",
        "referrals_not_in_need",
        "referrals",
        100,
        True,
    ),
    Indicator(
        "ia_7_days_share",
        "Initial assessments in 7 days",
        "initial_assessments_7_days",
        "initial_assessments",
        100,
        True,
    ),
    Indicator(
        "ia_10_days_share",
        "Initial assessments in 10 days",
        "initial_assessments_10_days",
        "initial_assessments",
        100,
        True,
    ),
    Indicator(
        "ca_35_days_share",
        "Core assessments in 35 days",
        "core_assessments_35_days",
        "core_assessments",
        100,
        True,
    ),
    Indicator(
        "sa_45_days_share",
        "Single assessments in 45 days",
        "single_assessments_45_days",
        "single_assessments",
        100,
        True,
    ),
    Indicator(
        "section47_rate", "Section 47 enquiries", "section47", "population_0_17", 10_000, False
    ),
    Indicator("icpc_rate", "Initial conferences", "icpc", "population_0_17", 10_000, False),
    Indicator("icpc_15_days_share", "Conferences in 15 days", "icpc_15_days", "icpc", 100, True),
    Indicator("cpp_start_rate", "Plans started", "cpp_starts", "population_0_17", 10_000, False),
    Indicator("cpp_rate", "Plans at 31 March", "cpp_at_31_march", "population_0_17", 10_000, False),
    Indicator(
        "second_plan_share",
        "Second or subsequent plans",
        "cpp_second_or_subsequent",
        "cpp_starts",
        100,
        True,
    ),
    Indicator(
        "cpp_open_2_years_share",
        "Plans open 2+ years",
        "cpp_open_2_years",
        "cpp_at_31_march",
        100,
        True,
    ),
    Indicator(
        "cpp_ended_2_years_share",
        "Plans ended after 2+ years",
        "cpp_ended_2_years",
        "cpp_ended",
        100,
        True,
    ),
    Indicator(
        "cpp_reviewed_share",
        "Plans reviewed on time",
        "cpp_reviewed_on_time",
        "cpp_due_review",
        100,
        True,
    ),
    Indicator(
        "cin_rate",
        "Children in need at 31 March",
        "cin_at_31_march",
        "population_0_17",
        10_000,
        False,
    ),
    Indicator(
        "cin_ended_3_months_share",
        "Episodes ended in 3 months",
        "cin_ended_3_months",
        "cin_ended",
        100,
        True,
    ),
    *(
        Indicator(
            f"cin_ended_{name}_share",
            f"Episodes ended in {text}",
            f"cin_ended_{name}",
            "cin_ended",
            100,
            True,
        )
        for name, text in (
            ("3_6_months", "3-6 months"),
            ("6_12_months", "6-12 months"),
            ("1_2_years", "1-2 years"),
        )
    ),
    Indicator(
        "cin_ended_2_years_share",
        "Episodes ended after 2+ years",
        "cin_ended_2_years",
        "cin_ended",
        100,
        True,
    ),
    Indicator(
        "cin_open_2_years_share",
        "Children in need 2+ years",
        "cin_open_2_years",
        "cin_at_31_march",
        100,
        True,
    ),
    Indicator(
        "cla_rate", "Children looked after", "cla_at_31_march", "population_0_17", 10_000, False
    ),
    Indicator(
        "cla_start_rate",
        "Started to be looked after",
        "cla_starts",
        "population_0_17",
        10_000,
        False,
    ),
    Indicator("agency_share", "Agency workers", "agency_workers", "social_workers", 100, True),
    Indicator("vacancy_share", "Vacant posts", "vacancies", "posts", 100, True),
    Indicator("turnover_rate", "Leavers", "leavers", "permanent_workers", 100, False),
    Indicator("average_caseload", "Average caseload", "cases", "case_holders", 1, False),
)
INDICATORS: dict[str, Indicator] = {indicator.name: indicator for indicator in _INDICATORS}
