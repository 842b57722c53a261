"""Declared columns of the DfE children in need census, underlying data, 2010-2017.

One wide CSV a year. Headers carry the year in three forms: the financial year (``0910``), the last
day (``310310``) and the calendar year of the population (``Mid2009``); misprints are kept as
published. Columns that no measure needs are known by topic, so that a column of an unknown topic
is a fault. Source: the metadata documents of OSR28/2010, OSR26/2011, SFR27/2012, SFR45/2013,
SFR43/2014, SFR41/2015, SFR52/2016 and SFR61/2017.
"""

import re
from dataclasses import dataclass
from functools import cache

from data_prep.markers import SFR, SFR_2010, Dialect

FIRST_YEAR, LAST_YEAR = 2010, 2017

RELEASES = {
    2010: ("OSR28/2010", "osr28-2010ud.csv"),
    2011: ("OSR26/2011", "osr26-2011ud.csv"),
    2012: ("SFR27/2012", "SFR27-2012ud.csv"),
    2013: ("SFR45/2013", "SFR45-2013ud.csv"),
    2014: ("SFR43/2014", "SFR43-2014.csv"),
    2015: ("SFR41/2015", "SFR41-2015_Underlying_data.csv"),
    2016: ("SFR52/2016", "SFR52_2016_UD.csv"),
    2017: ("SFR61/2017", "SFR61-2017_UD.CSV"),
}


@dataclass(frozen=True)
class Count:
    """A column that prints a measure from ``first`` to ``last`` year."""

    measure: str
    first: int
    last: int
    header: str
    confidence: str = ""


@dataclass(frozen=True)
class Banded:
    """A measure that is the sum of the bands ``inside``; all bands together make up ``total``.

    ``stem`` comes before each band's name in the headers.
    """

    measure: str
    total: str
    first: int
    last: int
    stem: str
    inside: tuple[str, ...]
    outside: tuple[str, ...]
    confidence: str = ""

    def headers(self, bands: tuple[str, ...]) -> tuple[str, ...]:
        # A band that spells its own header starts with a slash.
        return tuple(band[1:] if band[0] == "/" else self.stem + band for band in bands)


@dataclass(frozen=True)
class Ratio:
    """A printed per cent or rate: ``measure`` / ``base`` x ``per``.

    ``nearly_all`` marks shares that often come close to 100 per cent, whose numerator may be hidden
    because the remainder is small.
    """

    measure: str
    base: str
    per: int
    first: int
    last: int
    header: str
    nearly_all: bool = False


_COUNTS = (
    Count("population_0_17", 2010, 2013, "Mid{mid}Pop0-17"),
    Count("population_0_17", 2014, 2017, "Mid{mid}Pop017"),
    Count("referrals", 2010, 2010, "Referrals{fy}"),
    Count("referrals", 2011, 2015, "Referrals{fy}", "Referrals{fy}DCI"),
    Count("referrals", 2016, 2017, "Referrals{fy}"),
    Count("rereferrals", 2011, 2011, "ReferralsWithin12mths{fy}"),
    Count("rereferrals", 2012, 2015, "ReferralsWithin12mths{fy}", "Rereferrals{fy}DCI"),
    Count("rereferrals", 2016, 2017, "ReferralsWithin12mths{fy}"),
    Count("children_referred", 2010, 2010, "ChildrenReferredIn{fy}"),
    Count("children_referred", 2017, 2017, "ChildrenReferred{fy}"),
    Count(
        "children_rereferred",
        2010,
        2010,
        "ChildrenReferredIn{fy}MoreThanOnce",
        "ChildrenReferredIn{fy}MoreThanOnceDCI",
    ),
    Count("referrals_nfa", 2012, 2012, "ReferralsNFA112"),
    Count("referrals_nfa", 2013, 2017, "ReferralsNFA{fy}"),
    Count("referrals_not_in_need", 2012, 2014, "ReferralsIANotInNeed{fy}"),
    Count("referrals_not_in_need", 2015, 2017, "ReferralsANotInNeed{fy}"),
    Count("initial_assessments", 2010, 2014, "IAs{fy}", "IAs{fy}DCI"),
    Count("initial_assessments_7_days", 2010, 2011, "IAsWithin7wd{fy}", "IAsWithin7wd{fy}DCI"),
    Count("initial_assessments_10_days", 2010, 2011, "IAsWithin10wd{fy}"),
    Count("core_assessments", 2010, 2014, "CAs{fy}", "CAs{fy}DCI"),
    Count("core_assessments_35_days", 2010, 2011, "CAsWithin35wd{fy}", "CAsWithin35wd{fy}DCI"),
    Count("single_assessments", 2014, 2014, "SAs{fy}", "SAs{fy}DCI"),
    Count("single_assessments", 2015, 2015, "Assessments{fy}", "Assessment{fy}DCI"),
    Count("single_assessments", 2016, 2017, "Assessments{fy}"),
    Count("section47", 2010, 2011, "S47in{fy}", "S47in{fy}DCI"),
    Count("section47", 2012, 2015, "S47{fy}", "S47{fy}DCI"),
    Count("section47", 2016, 2017, "S47{fy}"),
    Count("icpc", 2010, 2011, "ICPCin{fy}", "ICPCin{fy}DCI"),
    Count("icpc", 2012, 2013, "ICPC{fy}", "ICPC{fy}DCI"),
    Count("icpc", 2014, 2015, "ICPCin{fy}", "ICPC{fy}DCI"),
    Count("icpc", 2016, 2017, "ICPCin{fy}"),
    Count("icpc_15_days", 2010, 2010, "ICPC15daysofS47{fy}", "ICPC15daysofS47{fy}DCI"),
    Count("icpc_15_days", 2011, 2011, "ICPC15daysofS47{fy}"),
    Count("cpp_starts", 2010, 2011, "CPPIn{fy}", "CPPIn{fy}DCI"),
    Count("cpp_starts", 2012, 2015, "CPPStart{fy}", "CPPStart{fy}DCI"),
    Count("cpp_starts", 2016, 2016, "CPPStart{fy}"),
    Count("cpp_starts", 2017, 2017, "CPPEpisodesStart{fy}"),
    Count("cpp_second_or_subsequent", 2010, 2011, "CPPin{fy}SecondTime", "CPPin{fy}SecondTimeDCI"),
    Count(
        "cpp_second_or_subsequent",
        2012,
        2015,
        "CPPStart{fy}SecondTime",
        "CPPStart{fy}SecondTimeDCI",
    ),
    Count("cpp_second_or_subsequent", 2016, 2017, "CPPStart{fy}SecondTime"),
    Count("cpp_ended", 2010, 2015, "CPPCeased{fy}", "CPPCeased{fy}DCI"),
    Count("cpp_ended", 2016, 2016, "CPPCeased{fy}"),
    Count("cpp_ended", 2017, 2017, "CPPEpisodesCeased{fy}"),
    Count("cpp_at_31_march", 2010, 2015, "CPPAt{day}", "CPPAt{day}DCI"),
    Count("cpp_at_31_march", 2016, 2017, "CPPAt{day}"),
    Count("cpp_due_review", 2010, 2011, "CPPat{day}For3+mths"),
    Count("cpp_due_review", 2012, 2013, "CPPAt{day}For3+mths"),
    Count("cpp_due_review", 2014, 2017, "CPPat{day}For3mths"),
    Count(
        "cpp_reviewed_on_time",
        2010,
        2015,
        "CPPsReviewedinTimescales",
        "CPPReviewedinTimescalesDCI",
    ),
    Count("cpp_reviewed_on_time", 2016, 2017, "CPPsReviewedinTimescales"),
    Count("cin_starts", 2010, 2015, "CINStarting{fy}", "CINStarting{fy}DCI"),
    Count("cin_starts", 2016, 2016, "CINStarting{fy}"),
    Count("cin_starts", 2017, 2017, "CINEpisodesStarting{fy}"),
    Count("cin_ended", 2010, 2015, "CINEnding{fy}", "CINEnding{fy}DCI"),
    Count("cin_ended", 2016, 2016, "CINEnding{fy}"),
    Count("cin_ended", 2017, 2017, "CINEpisodesEnding{fy}"),
    Count("cin_at_31_march", 2010, 2015, "CINAt{day}", "CINAt{day}DCI"),
    Count("cin_at_31_march", 2016, 2016, "CINAt{day}"),
    # The 2017 file prints 31 March 2017 under last year's header; its metadata and total say so.
    Count("cin_at_31_march", 2017, 2017, "CINAt310316"),
)

_PLAN_BANDS = ("<3mths", "3-6mths", "6mths-1yr", "1-2yrs")
_EPISODE_BANDS = {
    "cin_ended_3_months": "<3mths",
    "cin_ended_3_6_months": "3-6mths",
    "cin_ended_6_12_months": "6mths-1yr",
    "cin_ended_1_2_years": "1-2yr",
    "cin_ended_2_years": "2+yrs",
}
_BANDED = (
    Banded(
        "initial_assessments_10_days",
        "initial_assessments",
        2012,
        2014,
        "IAs",
        ("StartEndSameDay{fy}", "1-5days{fy}", "6-10days{fy}"),
        ("11-15days{fy}", "16-20days{fy}", "21+days{fy}"),
        "IAsDuration{fy}DCI",
    ),
    Banded(
        "core_assessments_35_days",
        "core_assessments",
        2012,
        2014,
        "CAs",
        ("0-10days{fy}", "11-20days{fy}", "21-30days{fy}", "31-35days{fy}"),
        ("36-40days{fy}", "41-50days{fy}", "51-60days{fy}", "61+days{fy}"),
        "CAsDuration{fy}DCI",
    ),
    *(
        Banded(
            "single_assessments_45_days",
            "single_assessments",
            first,
            last,
            stem,
            (
                "StartEndSameDay{fy}",
                "1-10days{fy}",
                "11-20days{fy}",
                "21-30days{fy}",
                "31-40days{fy}",
                "41-45days{fy}",
            ),
            ("46-50days{fy}", "51-60days{fy}", "61+days{fy}"),
            confidence,
        )
        for first, last, stem, confidence in (
            (2014, 2014, "SAs", "SAsDuration{fy}DCI"),
            (2015, 2015, "Assessment", "AssessmentDuration{fy}DCI"),
            (2016, 2017, "Assessment", ""),
        )
    ),
    *(
        Banded(
            "icpc_15_days",
            "icpc",
            first,
            last,
            "ICPC",
            ("0-10days{fy}", "11-15days{fy}"),
            ("16-20days{fy}", "21+days{fy}"),
            confidence,
        )
        for first, last, confidence in (
            (2012, 2012, ""),
            (2013, 2015, "ICPCDuration{fy}DCI"),
            (2016, 2017, ""),
        )
    ),
    Banded(
        "cpp_ended_2_years",
        "cpp_ended",
        2010,
        2010,
        "CPPCeased{fy}Duration",
        ("2+yrs",),
        ("<3mths", "3-6mths", "6mnths-1yr", "1-2yrs"),
        "CPPCeased{fy}DurationDCI",
    ),
    *(
        Banded(
            "cpp_ended_2_years",
            "cpp_ended",
            first,
            last,
            "CPPCeased{fy}Duration",
            ("2+yrs",),
            _PLAN_BANDS,
            confidence,
        )
        for first, last, confidence in (
            (2011, 2015, "CPPCeased{fy}DurationDCI"),
            (2016, 2016, ""),
        )
    ),
    Banded(
        "cpp_ended_2_years",
        "cpp_ended",
        2017,
        2017,
        "CPPEnded{fy}Duration",
        ("2+yrs",),
        ("<3mths", "3-6mths", "/CPP{fy}Duration6mths-1yr", "1-2yrs"),
    ),
    *(
        Banded(
            "cpp_open_2_years",
            "cpp_at_31_march",
            first,
            last,
            stem,
            ("2+yrs",),
            _PLAN_BANDS,
            confidence,
        )
        for first, last, stem, confidence in (
            (2012, 2013, "CPPAt{day}Duration", "CPPAt{day}DurationDCI"),
            (2014, 2015, "CPPAT{day}Duration", "CPPAT{day}DurationDCI"),
            (2016, 2017, "CPPAT{day}Duration", ""),
        )
    ),
    # 2010 counts weeks: the first two bands end at 12 weeks, a few days short of three months.
    Banded(
        "cin_ended_3_months",
        "cin_ended",
        2010,
        2010,
        "CINEnding{fy}Duration",
        ("0-4wks", "4-12wks"),
        ("12-26wks", "26wks-1yr", "1+yrs", "Unknown"),
        "CINEnding{fy}DurationDCI",
    ),
    # One measure a band: the five, and in 2011 the unknown, add up to the episodes ended.
    *(
        Banded(
            measure,
            "cin_ended",
            first,
            last,
            "CINEnding{fy}Duration",
            (band,),
            tuple(other for other in (*_EPISODE_BANDS.values(), *more) if other != band),
            confidence,
        )
        for measure, band in _EPISODE_BANDS.items()
        for first, last, more, confidence in (
            (2011, 2011, ("Unknown",), "CINEnding{fy}DurationDCI"),
            (2012, 2015, (), "CINEnding{fy}DurationDCI"),
            (2016, 2017, (), ""),
        )
    ),
    Banded(
        "cin_open_2_years",
        "cin_at_31_march",
        2010,
        2010,
        "CINAt{day}OCDuration",
        ("2-3yrs", "3+yrs"),
        ("0-4wks", "4-12wks", "12-26wks", "26wks-1yr", "1-2yrs", "Unknown"),
        "CINAt{day}OCDurationDCI",
    ),
    *(
        Banded(
            "cin_open_2_years",
            "cin_at_31_march",
            first,
            last,
            "CINAt{day}OCDuration",
            ("2+yrs",),
            ("<3mths", "3-6mths", "6mths-1yr", band),
            confidence,
        )
        for first, last, band, confidence in (
            (2011, 2013, "1-2yrs", "CINAt{day}OCDurationDCI"),
            (2014, 2015, "1-2yr", "CINAt{day}OCDurationDCI"),
            (2016, 2017, "1-2yr", ""),
        )
    ),
)

_PER_CHILD, _PER_CENT = 10_000, 100
_RATIOS = (
    Ratio("referrals", "population_0_17", _PER_CHILD, 2010, 2017, "Referrals{fy}Rate"),
    Ratio("initial_assessments", "population_0_17", _PER_CHILD, 2010, 2013, "IAs{fy}Rate"),
    Ratio(
        "single_assessments", "population_0_17", _PER_CHILD, 2015, 2017, "AssessmentRatePer10k{fy}"
    ),
    Ratio("section47", "population_0_17", _PER_CHILD, 2012, 2017, "S47Rate{fy}"),
    Ratio("icpc", "population_0_17", _PER_CHILD, 2012, 2017, "ICPCRate{fy}"),
    Ratio("cpp_starts", "population_0_17", _PER_CHILD, 2012, 2016, "CPPStartRate{fy}"),
    Ratio("cpp_starts", "population_0_17", _PER_CHILD, 2017, 2017, "CPPEpisodesStartRate{fy}"),
    Ratio("cpp_at_31_march", "population_0_17", _PER_CHILD, 2010, 2011, "CPPAt{day}RatePer10k"),
    Ratio("cpp_at_31_march", "population_0_17", _PER_CHILD, 2012, 2017, "CPPAt{day}Rate"),
    Ratio("cin_at_31_march", "population_0_17", _PER_CHILD, 2010, 2011, "CINRatePer10K"),
    Ratio("cin_at_31_march", "population_0_17", _PER_CHILD, 2012, 2013, "CINAt{day}RatePer10k"),
    Ratio("cin_at_31_march", "population_0_17", _PER_CHILD, 2014, 2014, "CINAt{day}RatePer10K"),
    Ratio("cin_at_31_march", "population_0_17", _PER_CHILD, 2015, 2015, "CINAt310314RatePer10K"),
    Ratio("cin_at_31_march", "population_0_17", _PER_CHILD, 2016, 2016, "CINAt{day}RatePer10K"),
    Ratio("cin_at_31_march", "population_0_17", _PER_CHILD, 2017, 2017, "CINAt310316RatePer10K"),
    Ratio("initial_assessments", "referrals", _PER_CENT, 2010, 2013, "IAs%OfReferrals{fy}"),
    Ratio("rereferrals", "referrals", _PER_CENT, 2011, 2017, "%ReferralsWithin12mths{fy}"),
    Ratio(
        "children_rereferred",
        "children_referred",
        _PER_CENT,
        2010,
        2010,
        "%ChildrenReferredIn{fy}MoreThanOnce",
    ),
    Ratio("referrals_nfa", "referrals", _PER_CENT, 2012, 2017, "%ReferralsNFA{fy}"),
    Ratio("referrals_not_in_need", "referrals", _PER_CENT, 2012, 2014, "%ReferralsIANotInNeed{fy}"),
    Ratio("referrals_not_in_need", "referrals", _PER_CENT, 2015, 2017, "%ReferralsANotInNeed{fy}"),
    Ratio(
        "initial_assessments_7_days",
        "initial_assessments",
        _PER_CENT,
        2010,
        2011,
        "%IAsWithin7wd{fy}",
        nearly_all=True,
    ),
    Ratio(
        "initial_assessments_10_days",
        "initial_assessments",
        _PER_CENT,
        2010,
        2011,
        "%IAsWithin10wd{fy}",
        nearly_all=True,
    ),
    Ratio(
        "core_assessments_35_days",
        "core_assessments",
        _PER_CENT,
        2010,
        2011,
        "%CAsWithin35wd{fy}",
        nearly_all=True,
    ),
    Ratio("icpc_15_days", "icpc", _PER_CENT, 2010, 2011, "%ICPC15daysofS47{fy}", nearly_all=True),
    Ratio("cpp_second_or_subsequent", "cpp_starts", _PER_CENT, 2010, 2011, "%CPPin{fy}SecondTime"),
    Ratio(
        "cpp_second_or_subsequent", "cpp_starts", _PER_CENT, 2012, 2013, "%CPPStart{fy}SecondTime"
    ),
    Ratio(
        "cpp_second_or_subsequent", "cpp_starts", _PER_CENT, 2014, 2014, "CPPStart{fy}SecondTime_A"
    ),
    Ratio(
        "cpp_second_or_subsequent", "cpp_starts", _PER_CENT, 2015, 2017, "%CPPStart{fy}SecondTime"
    ),
    Ratio(
        "cpp_reviewed_on_time",
        "cpp_due_review",
        _PER_CENT,
        2010,
        2017,
        "%CPPsReviewedinTimescales",
        nearly_all=True,
    ),
)

# Columns known and left alone, by topic; most are also printed as per cents.
_UNUSED = {
    "any time in the year, and children where episodes are read": (
        r"CIN([Ee]pisodes)?Thro.*|CIN[Cc]hildren.*|CIN(Episodes)?(Starting|Ending)RatePer10[Kk]"
        r"|CPP(during|Children|EpisodeThr|EpisodesThru|(Episodes)?CeasedRate).*"
        r"|S47Children.*|ICPCChildren.*|ChildrenReferred(\d{4}Rate|Within).*"
    ),
    "age and gender": (
        r"C(IN|PP|P).*(Under1|Unborn|Male|Female|AgeDCI|GenderDCI|AgeGenderDCI|UnknownGender).*"
    ),
    "ethnicity": r"C(IN|PP).*(Ethnicity|White|Mixed|Asian|Black|\d{6}Other|Refused).*",
    "disability": (
        r"CINAt\d{6}(No|None|.*Disab|Autism|Behaviour|Communication|Consciousness|HandFunction"
        r"|Hearing|Incontinence|Learning|Mobility|PersonalCare|Vision).*"
    ),
    "primary need": r"CINAt\d{6}.*(P[Rr]iNeed|PrimaryNeed).*",
    "reason for closure": (
        r"C[Ii][Nn]Ending\d{4}(RC|ResidenceOrder|SpecialGuardian|Transfer|Other).*"
    ),
    "open case status": (
        r"CINAt\d{6}(OCs|OCMissing|LookedAfter|ResidenceOrder|SpecialGuardian|TransitionPlan"
        r"|CaredRelative|PrivateFostered|YoungCarer|Overnight|Daycare|Befriending|ChildDirect"
        r"|CarerDirect|OtherOpenCase).*"
    ),
    # Their counts are read; the per cents follow, and 2010 has a sum of two bands.
    "durations": (
        r"(CIN|CPP)(At|AT|Ceased|Ended|Ending)?\d{4,6}(OC)?Duration"
        r"(Unknown|<3|3-6|6mths|6mnths|1-2|2-3|[123]\+).*"
        r"|CPP(Ceased|Endedd?)6mths.*"
    ),
    "abuse": r"CPP.*(Abuse|InitialDCI|LatestDCI).*",
    "visits and factors": r"SeenInAccordance.*|.*[Ff]actors?\d{4}.*",
    "source of referral": r"Source\d{4}.*|ReferralsReportingSource.*|ReferralSource.*",
    "other rates and confidence": r"CAsRate\d{4}|IAs%[Oo]fReferrals\d{4}DCI",
    # The 2012 file prints 0 in these for authorities that supplied no durations.
    "percentiles": r".*([Mm]edian|[Pp]ercentile).*",
}
_UNUSED_TOPICS = re.compile("%?(" + "|".join(_UNUSED.values()) + ")")


@dataclass(frozen=True)
class Layout:
    """What one year's file holds. All headers are as printed there."""

    year: int
    release: str
    file_name: str
    dialect: Dialect
    identity: tuple[str, ...]
    counts: tuple[Count, ...]
    banded: tuple[Banded, ...]
    ratios: tuple[Ratio, ...]
    # Coarsest unit to which England's counts are rounded, and to which all populations are.
    england_unit: int
    population_unit: int

    @property
    def headers(self) -> tuple[str, ...]:
        """Every header that the reader needs, in the order of declaration, each once."""
        found = [*self.identity]
        found += [column.header for column in self.counts]
        for column in self.banded:
            found += [*column.inside, *column.outside]
        found += [column.header for column in self.ratios]
        found += [confidence for confidence in self.confidences.values() if confidence]
        return tuple(dict.fromkeys(found))

    @property
    def confidences(self) -> dict[str, str]:
        """Header of the data confidence of each measure, blank where there is none."""
        return {count.measure: count.confidence for count in self.counts} | {
            banded.measure: banded.confidence for banded in self.banded
        }

    def is_unused(self, header: str) -> bool:
        """Whether a column that is not declared belongs to a topic that is left alone."""
        return _UNUSED_TOPICS.fullmatch(header) is not None


@cache
def layout(year: int) -> Layout:
    """The layout of the file for the year ending March ``year``."""
    names = {
        "fy": f"{(year - 1) % 100:02d}{year % 100:02d}",
        "day": f"3103{year % 100:02d}",
        "mid": str(year - 1),
    }

    def named(text: str) -> str:
        return text.format(**names)

    release, file_name = RELEASES[year]
    return Layout(
        year=year,
        release=release,
        file_name=file_name,
        dialect=SFR_2010 if year == 2010 else SFR,
        identity=("geog_l", "geog_c", *(("new_la_code",) if year >= 2013 else ()), "geog_n"),
        counts=tuple(
            Count(c.measure, year, year, named(c.header), named(c.confidence))
            for c in _COUNTS
            if c.first <= year <= c.last
        ),
        banded=tuple(
            Banded(
                b.measure,
                b.total,
                year,
                year,
                "",
                tuple(map(named, b.headers(b.inside))),
                tuple(map(named, b.headers(b.outside))),
                named(b.confidence),
            )
            for b in _BANDED
            if b.first <= year <= b.last
        ),
        ratios=tuple(
            Ratio(r.measure, r.base, r.per, year, year, named(r.header), r.nearly_all)
            for r in _RATIOS
            if r.first <= year <= r.last
        ),
        england_unit=10 if year >= 2016 else 100,
        # 2011 says that populations are rounded and prints them in full.
        population_unit=1 if year == 2011 else 100,
    )
