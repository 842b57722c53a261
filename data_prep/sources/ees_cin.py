"""Reader of the children in need tables of Explore Education Statistics, releases from 2020.

Tables B1, B4, B5 (episodes of need), C1 (referrals), C2 (assessments), C4 (enquiries and
conferences), D1, D3, D5, D6 and D7 (plans). Each release prints every year from 2013 (C2: 2014)
anew. Names of columns: release 2024, and release 2025 where it changed them; release 2025 prints no
rates per 10,000 children in the tables whose populations were revised later.
"""

from collections.abc import Iterable, Sequence

from data_prep import register
from data_prep.sources import ees, population
from data_prep.sources.ees import Bands, Count, Filter, Ratio, Table
from data_prep.sources.files import RawFile
from data_prep.sources.reading import Reading

PUBLICATION = "children in need"
FIRST_YEAR = 2013
_PER_CHILD, _PER_CENT = 10_000, 100
# The largest share of unknown duration seen in release 2024: 1.4 % of the episodes ended in an
# authority (B5), 1 % of assessments (C2), 26 % of conferences (C4); none elsewhere.
_FEW, _MANY = 0.02, 0.3


def _category(text: str) -> tuple[Filter, ...]:
    return (Filter(("category",), (text,)),)


def _rate(measure: str, *headers: str) -> Ratio:
    return Ratio(measure, "population_0_17", _PER_CHILD, headers)


def _percent(measure: str, base: str, *headers: str, nearly_all: bool = False) -> Ratio:
    return Ratio(measure, base, _PER_CENT, headers, nearly_all=nearly_all)


# Durations of the tables B4, B5, D5 and D7, shortest first.
_MONTHS = (
    "3_months_or_less",
    "more_than_3_months_6_months",
    "more_than_6_months_less_than_1_year",
    "1_year_less_than_2_years",
)
_YEARS = ("2_years_or_more", "2years+")


def _durations(
    name: str,
    total: str,
    total_header: str,
    sums: dict[str, int],
    title: str,
    stem: str,
    text: str,
    unknown: float = 0.0,
) -> Table:
    """A table of durations; ``sums`` gives the band of each measure, 0 being the shortest."""
    bands = tuple(f"{name} {band}" for band in (*_MONTHS, _YEARS[0]))
    headers = (*((band,) for band in _MONTHS), _YEARS)
    measures = {index: measure for measure, index in sums.items()}
    return Table(
        name=name,
        title=title,
        publication=PUBLICATION,
        stem=stem,
        counts=(
            Count(total, (total_header,)),
            *(Count(band, names) for band, names in zip(bands, headers, strict=True)),
        ),
        ratios=tuple(
            _percent(
                measures.get(index, bands[index]),
                total,
                *(f"{header}_percent" for header in headers[index]),
            )
            for index in range(len(bands))
        ),
        bands=(Bands(total, bands, tuple((m, (bands[i],)) for m, i in sums.items()), unknown),),
        filters=_category(text),
        first_year=FIRST_YEAR,
    )


_ASSESSMENT_DAYS = (
    "Same_day",
    "1-10_days",
    "11-20_days",
    "21-30_days",
    "31-40_days",
    "41-45_days",
    "46-50_days",
    "51-60_days",
    "61+_days",
)
_CONFERENCE_DAYS = ("0-10_days", "11-15_days", "16-20_days", "21+_days")

TABLES = (
    Table(
        name="B1",
        title="children in need",
        publication=PUBLICATION,
        stem="b1_children_in_need",
        counts=(
            Count("cin_starts", ("Started_episodes",)),
            Count("cin_ended", ("Ended_episodes",)),
            Count("cin_at_31_march", ("At31_episodes",)),
        ),
        ratios=(
            _rate("cin_starts", "Started_episodes_rate"),
            _rate("cin_ended", "Ended_episodes_rate"),
            _rate("cin_at_31_march", "At31_episodes_rate"),
        ),
        filters=_category("Children in Need"),
        unused=(r"Anypoint_.*", r".*_child(_rate)?", r"Awaiting_assessment(_rate)?"),
        first_year=FIRST_YEAR,
    ),
    _durations(
        "B4",
        "cin_at_31_march",
        "At31_episodes",
        {"cin_open_2_years": 4},
        "children in need at 31 March by duration",
        "b4_children_in_need",
        "Duration of open episode",
    ),
    _durations(
        "B5",
        "cin_ended",
        "Ended_episodes",
        {
            "cin_ended_3_months": 0,
            "cin_ended_3_6_months": 1,
            "cin_ended_6_12_months": 2,
            "cin_ended_1_2_years": 3,
            "cin_ended_2_years": 4,
        },
        "episodes of need ended by duration",
        "b5_children_in_need",
        "Duration of ended episode",
        _FEW,
    ),
    Table(
        name="C1",
        title="referrals and re-referrals",
        publication=PUBLICATION,
        stem="c1_children_in_need",
        counts=(
            Count("referrals", ("Referrals", "referral_count")),
            Count("rereferrals", ("Re_referrals", "rereferral_count")),
            Count("referrals_nfa", ("No_Further_Action", "no_further_action_count")),
            Count("referrals_not_in_need", ("Not_in_Need", "not_in_need_count")),
            Count("children_referred", ("Referrals_child", "referral_child_count")),
        ),
        ratios=(
            _rate("referrals", "Referrals_rate"),
            _percent("rereferrals", "referrals", "Re_referrals_percent", "rereferral_percent"),
            _percent(
                "referrals_nfa",
                "referrals",
                "No_Further_Action_percent",
                "no_further_action_percent",
            ),
            _percent(
                "referrals_not_in_need", "referrals", "Not_in_Need_percent", "not_in_need_percent"
            ),
        ),
        filters=_category("Referrals and Re-referrals"),
        # Children with a re-referral within 12 months are not those of the 2010 file, who were
        # referred twice within one year.
        unused=(
            r"Referrals_child_rate",
            r"Re_referrals_child(_percent)?",
            r"rereferral_child_(count|percent)",
        ),
        first_year=FIRST_YEAR,
    ),
    Table(
        name="C2",
        title="assessments by duration",
        publication=PUBLICATION,
        stem="c2_children_in_need",
        counts=(
            Count("single_assessments", ("Assessments_completed",)),
            *(Count(f"C2 {days}", (days,)) for days in _ASSESSMENT_DAYS),
        ),
        ratios=(_rate("single_assessments", "Assessments_completed_rate"),),
        bands=(
            Bands(
                "single_assessments",
                tuple(f"C2 {days}" for days in _ASSESSMENT_DAYS),
                (
                    (
                        "single_assessments_45_days",
                        tuple(f"C2 {days}" for days in _ASSESSMENT_DAYS[:6]),
                    ),
                ),
                _FEW,
            ),
        ),
        filters=_category("Duration of assessment"),
        unused=(r"(25th_Percentile|Median|75th_Percentile)_days",),
        first_year=2014,
    ),
    Table(
        name="C4",
        title="section 47 enquiries and initial child protection conferences",
        publication=PUBLICATION,
        stem="c4_children_in_need",
        counts=(
            Count("section47", ("Section47",)),
            Count("icpc", ("ICPC",)),
            *(Count(f"C4 {days}", (f"Duration_{days}",)) for days in _CONFERENCE_DAYS),
        ),
        ratios=(_rate("section47", "Section47_rate"), _rate("icpc", "ICPC_rate")),
        bands=(
            Bands(
                "icpc",
                tuple(f"C4 {days}" for days in _CONFERENCE_DAYS),
                (("icpc_15_days", tuple(f"C4 {days}" for days in _CONFERENCE_DAYS[:2])),),
                _MANY,
            ),
        ),
        filters=_category("Section 47s and Initial Child Protection Conferences"),
        unused=(
            r"(Section47|ICPC)_child(_rate)?",
            r"Duration_(25th_Percentile|median|75th_Percentile)",
        ),
        first_year=FIRST_YEAR,
    ),
    Table(
        name="D1",
        title="child protection plans",
        publication=PUBLICATION,
        stem="d1_child_protection_plans",
        counts=(
            Count("cpp_starts", ("CPP_start",)),
            Count("cpp_ended", ("CPP_end",)),
            Count("cpp_at_31_march", ("CPP_At31",)),
        ),
        ratios=(
            _rate("cpp_starts", "CPP_start_rate"),
            _rate("cpp_ended", "CPP_end_rate"),
            _rate("cpp_at_31_march", "CPP_At31_rate"),
        ),
        filters=_category("Child Protection Plans"),
        unused=(r"CPP_child_.*", r"CPP_anypoint.*"),
        first_year=FIRST_YEAR,
    ),
    Table(
        name="D3",
        title="second or subsequent plans",
        publication=PUBLICATION,
        stem="d3_cpps",
        counts=(
            Count("cpp_starts", ("CPP_start",)),
            Count("cpp_second_or_subsequent", ("CPP_subsequent",)),
        ),
        ratios=(_percent("cpp_second_or_subsequent", "cpp_starts", "CPP_subsequent_percent"),),
        filters=_category("Child Protection Plans which are a second or subsequent plan"),
        first_year=FIRST_YEAR,
    ),
    _durations(
        "D5",
        "cpp_at_31_march",
        "CPP_At31",
        {"cpp_open_2_years": 4},
        "plans at 31 March by duration",
        "d5_cpps",
        "Child Protection Plans by length of time",
    ),
    Table(
        name="D6",
        title="plans reviewed on time",
        publication=PUBLICATION,
        stem="d6_cpps",
        counts=(
            Count("cpp_due_review", ("CPP_At31_3Months",)),
            Count("cpp_reviewed_on_time", ("Reviewed_within_timescales",)),
        ),
        ratios=(
            _percent(
                "cpp_reviewed_on_time",
                "cpp_due_review",
                "Reviewed_within_timescales_percent",
                nearly_all=True,
            ),
        ),
        filters=_category("Child Protection Plans reviewed within timescales"),
        first_year=FIRST_YEAR,
    ),
    _durations(
        "D7",
        "cpp_ended",
        "CPP_End",
        {"cpp_ended_2_years": 4},
        "plans ended by duration",
        "d7_cpps",
        "Child Protection Plans ending by length of time",
    ),
)

# West Sussex 2013: D1 counts 424 plans at 31 March and D5 379, and England's figures follow. The
# count of D1 is read, which the census file of 2013 prints too; the bands of D5 add up to its own.
DIFFERENCES = (
    ("cpp_at_31_march", 2013, "E10000032"),
    ("cpp_at_31_march", 2013, register.ENGLAND),
)


def recognise(file: RawFile) -> str | None:
    """What the file is, when it is one of this source."""
    return ees.recognise(file, TABLES)


def read_ees_cin(files: Sequence[RawFile], years: Iterable[int]) -> Reading:
    """Read the children in need tables of ``years`` from every release found.

    Releases may lie beside each other, each with its own ``released``. The population of the same
    release, where its file is there too, bounds hidden counts; its own records are read by
    ``population.read_population``.

    Raises
    ------
    DataError
        With every fault of every file: columns missing or unknown, rows duplicated or missing,
        codes unknown, cells that are no numbers, a table of one release twice, tables of one
        release that contradict each other.
    """
    wanted = sorted(set(years))
    sheets, faults = ees.read_sheets(files, TABLES, wanted)
    sheets.sort(key=lambda sheet: TABLES.index(sheet.table))
    people, bad = population.read_sheets(files, wanted) if sheets else ([], [])
    return ees.build_reading(sheets, [*faults, *bad], populations=people, differences=DIFFERENCES)
