"""What is downloaded, from where, and by what each file is known: declarations alone.

``confidence`` says how sure an address is, for none was called when it was written down: A from the
publisher's own code or several recent users of it, B seen once or twice, C made from a pattern.
``docs/data.md`` says more.
"""

from dataclasses import dataclass

OGL = "Open Government Licence v3.0"
DFE = "Department for Education"
OFSTED = "Ofsted"
ONS = "Office for National Statistics"
MHCLG = "Ministry of Housing, Communities and Local Government"


@dataclass(frozen=True)
class Hosts:
    """Where the publishers' servers are; tests put their own in."""

    ees_content: str = "https://content.explore-education-statistics.service.gov.uk"
    ees_site: str = "https://explore-education-statistics.service.gov.uk"
    govuk: str = "https://www.gov.uk"
    assets: str = "https://assets.publishing.service.gov.uk"
    arcgis: str = "https://services1.arcgis.com"
    nomis: str = "https://www.nomisweb.co.uk"
    ons: str = "https://www.ons.gov.uk"


# ------------------------------------------------------------------------------ kinds of source


@dataclass(frozen=True)
class EesRelease:
    """All files of the current release of a publication of Explore Education Statistics (EES), as
    one zip. ``pinned_id`` is the release version ``pinned_slug``, used when no current one is
    found; an id changes whenever the release is amended.
    """

    publication: str
    pinned_slug: str
    pinned_id: str
    kind = "EES release"


@dataclass(frozen=True)
class GovukPage:
    """The one attachment of a GOV.UK page whose title or file name matches ``attachment``, a
    regular expression. With ``document``, ``path`` is a collection and the page is the one whose
    title matches.
    """

    path: str
    attachment: str
    extensions: tuple[str, ...]
    document: str = ""
    kind = "GOV.UK attachment"


@dataclass(frozen=True)
class WebFile:
    """A file at an address that does not change; ``host`` names a field of ``Hosts``."""

    host: str
    path: str
    kind = "web file"


@dataclass(frozen=True)
class ArcgisLayer:
    """A layer of boundaries of the ONS Open Geography portal, fetched page by page."""

    service: str
    kind = "ArcGIS layer"


@dataclass(frozen=True)
class NomisQuery:
    """Mid-year population by single year of age, counties and unitary authorities."""

    dataset: str
    geography: str
    first_year: int
    last_year: int
    ages: tuple[int, int] = (0, 17)
    kind = "Nomis query"


@dataclass(frozen=True)
class NoKnownAddress:
    """Published, but at no address that is known well enough to call."""

    kind = "by hand"


type Locator = EesRelease | GovukPage | WebFile | ArcgisLayer | NomisQuery | NoKnownAddress


# ------------------------------------------------------------------------------ what is fetched


@dataclass(frozen=True)
class Member:
    """One file that a source must give.

    ``file_name`` is a pattern (as of ``fnmatch``) of the end of the publisher's name for it;
    ``columns``, ``sheets`` and ``properties`` are patterns, each of which some column of a table,
    sheet of a workbook or property of a map must match: these alone, never the name, tell what a
    file is. ``first_row`` are patterns of cells in the row below the header, where columns do not
    tell two files apart, ``sheet_header`` patterns of cells in the first row of the first of
    ``sheets``, and ``label`` a regular expression for what the reader says, where the project has
    that reader. ``data_set`` is the EES id of the same file on its own, and ``data_set_title`` the
    beginning of its title there.
    """

    name: str
    file_name: str
    columns: tuple[str, ...] = ()
    sheets: tuple[str, ...] = ()
    sheet_header: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    label: str = ""
    first_row: tuple[str, ...] = ()
    header_row: int = 1
    least_rows: int = 1
    reader: str = ""
    data_set: str = ""
    data_set_title: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Source:
    """One publication; its locators are tried in turn until one gives its members."""

    name: str
    title: str
    publisher: str
    locators: tuple[Locator, ...]
    members: tuple[Member, ...]
    landing_page: str
    confidence: str
    reader: str
    required: bool = True
    licence: str = OGL
    attribution: str = ""

    def reader_of(self, member: Member) -> str:
        """Name of the reader of a member, which is also its folder."""
        return member.reader or self.reader


_LA = ("time_period", "geographic_level", "new_la_code", "la_name")
_STATISTICS = "https://www.gov.uk/government/statistics/"
_COLLECTIONS = "https://www.gov.uk/government/collections/"
_FIND = "https://explore-education-statistics.service.gov.uk/find-statistics/"


def _cin_underlying(year: int, column: str, page: str, confidence: str) -> Source:
    """The census of one year. Later pages are known; 2010 and 2011 are found by way of the
    collection, by the years in their titles.
    """
    span = rf"{year - 1}\s*(?:to|-|–)\s*(?:{year}|{year % 100})\b|(?:march|31 march) {year}\b"
    locator = GovukPage(
        path=f"government/statistics/{page}"
        if page
        else "government/collections/statistics-children-in-need",
        attachment=r"underlying[ _-]*data(?!.*meta)",
        extensions=(".zip", ".csv"),
        document="" if page else span,
    )
    return Source(
        name=f"cin-{year}",
        title=f"Children in need census, underlying data, year ending March {year}",
        publisher=DFE,
        locators=(locator,),
        members=(
            Member(
                "table",
                "*.csv",
                columns=("geog_l", "geog_n", column),
                # Columns of one year are left standing in the files of the next.
                label=rf"\b{year}$",
                least_rows=100,
            ),
        ),
        landing_page=f"{_STATISTICS}{page}"
        if page
        else f"{_COLLECTIONS}statistics-children-in-need",
        confidence=confidence,
        reader="cin_underlying",
    )


def _cla(year: int, columns: dict[str, str]) -> Source:
    span = rf"{year - 1}\s*(?:to|-|–)\s*(?:{year}|{year % 100})\b|(?:march|31 march) {year}\b"
    return Source(
        name=f"cla-{year}",
        title=f"Looked-after children, underlying data, year ending March {year}",
        publisher=DFE,
        locators=(
            GovukPage(
                path="government/collections/statistics-looked-after-children",
                attachment=r"underlying[ _-]*data(?!.*meta)",
                extensions=(".zip", ".csv"),
                document=span,
            ),
        ),
        members=tuple(
            Member(name, "*.csv", columns=("geog_l", "geog_n", column), least_rows=100)
            for name, column in columns.items()
        ),
        landing_page=f"{_COLLECTIONS}statistics-looked-after-children",
        confidence="C",
        reader="cla",
        required=False,
    )


def _workforce(year: int, title: str) -> Source:
    return Source(
        name=f"workforce-{year}",
        title=f"Children's social work workforce, underlying data, September {year}",
        publisher=DFE,
        locators=(
            GovukPage(
                path="government/collections/statistics-childrens-social-care-workforce",
                attachment=r"underlying[ _-]*data(?!.*meta)",
                extensions=(".zip", ".csv"),
                document=title,
            ),
        ),
        members=(
            Member(
                "table",
                "*.csv",
                columns=("LA_name", f"A1_FTE_ChildrensSocialWorkers_{year}"),
                least_rows=100,
            ),
        ),
        landing_page=f"{_COLLECTIONS}statistics-childrens-social-care-workforce",
        confidence="C",
        reader="workforce",
        required=False,
    )


def _deprivation(
    year: int, codes: str, locators: tuple[Locator, ...], confidence: str, sha256: str = ""
) -> Source:
    """``codes``: the year of the authority codes, which the header of every sheet carries."""
    page = f"english-indices-of-deprivation-{year}"
    by_page = GovukPage(
        path=f"government/statistics/{page}",
        attachment=r"file[ _]*11\b|file_11_",
        extensions=(".xlsx", ".xls", ".ods"),
    )
    return Source(
        name=f"deprivation-{year}",
        title=f"English indices of deprivation {year}, File 11: upper-tier summaries",
        publisher=MHCLG,
        locators=(*locators, by_page),
        members=(
            Member(
                "workbook",
                "*",
                sheets=("IMD", "IDACI"),
                sheet_header=(f"*code ({codes})",),
                sha256=sha256,
            ),
        ),
        landing_page=f"{_STATISTICS}{page}",
        confidence=confidence,
        reader="deprivation",
    )


def _ees(name: str, file_name: str, *columns: str, **more: object) -> Member:
    return Member(name, file_name, columns=(*_LA, *columns), least_rows=150, **more)  # type: ignore[arg-type]


# Columns by patterns: the release of 2025 renamed some (Referrals became referral_count).
_CIN_MEMBERS = (
    _ees("b1", "*b1_children_in_need_[0-9]*.csv", "anypoint*episode*", "at*31*episode*"),
    _ees("b4", "*b4_*duration_of_open_episode*.csv", "at*31*episode*", "*3_months_or_less*"),
    _ees("b5", "*b5_*duration_of_ended_episode*.csv", "ended*episode*", "*3_months_or_less*"),
    _ees(
        "c1",
        "*c1_*referrals*.csv",
        "re*referral*percent",
        "no_further_action*",
        data_set="911dae20-ac5d-4e28-bee8-53a658761fa5",
        data_set_title="C1",
    ),
    _ees(
        "c2",
        "*c2_*assessments_duration*.csv",
        "assessment*complete*",
        "*41*45*day*",
        data_set="3fb5a93d-1eb3-4f3a-bdd0-5caea4556ce6",
        data_set_title="C2",
    ),
    _ees(
        "c4",
        "*c4_*section*47*.csv",
        "section*47*",
        "icpc*",
        data_set="b0749fa2-c0e2-4a15-8c0f-23941b3b6161",
        data_set_title="C4",
    ),
    _ees(
        "d1",
        "*d1_child_protection_plans*.csv",
        "cpp_start*",
        "cpp_anypoint*",
        data_set="0183a28b-6a55-4eff-aa08-33cc14f3a5bb",
        data_set_title="D1",
    ),
    _ees("d3", "*d3_*subsequent*.csv", "cpp_subsequent*"),
    _ees("d5", "*d5_*by_duration*.csv", "cpp_at*31*", "*3_months_or_less*"),
    _ees("d6", "*d6_*reviewed*.csv", "reviewed_within_timescales*"),
    _ees(
        "d7",
        "*d7_*by_duration*.csv",
        "cpp_end*",
        "*3_months_or_less*",
        data_set="04a78d29-2196-4bea-bf95-7a2eced5d0d5",
        data_set_title="D7",
    ),
    _ees(
        "population",
        "*population_estimates*.csv",
        "age_group",
        "population_estimate",
        reader="population",
    ),
)

_BOUNDARIES = (
    "Source: Office for National Statistics licensed under the Open Government Licence v.3.0. "
    "Contains OS data © Crown copyright and database right."
)


def _boundaries(name: str, month: str, code: str) -> Source:
    return Source(
        name=f"boundaries-{name}",
        title=f"Counties and unitary authorities, boundaries of {month.replace('_', ' ')}",
        publisher=ONS,
        locators=(ArcgisLayer(f"Counties_and_Unitary_Authorities_{month}_Boundaries_UK_BUC"),),
        members=(
            Member(
                "map",
                f"counties_and_unitary_authorities_{month.lower()}.geojson",
                properties=(f"CTYUA{code}CD", f"CTYUA{code}NM"),
                least_rows=150,
            ),
        ),
        landing_page="https://geoportal.statistics.gov.uk",
        confidence="A" if code == "23" else "B",
        reader="boundaries",
        required=code == "23",
        attribution=_BOUNDARIES,
    )


def _nomis(first: int, last: int) -> Source:
    return Source(
        name=f"nomis-{first}",
        title=f"Population aged 0-17 at mid-year {first}-{last}, by authority",
        publisher=ONS,
        locators=(NomisQuery("NM_2002_1", "TYPE423", first, last),),
        members=(
            Member(
                "table",
                f"nomis_population_0_17_{first}_{last}.csv",
                columns=("DATE_NAME", "GEOGRAPHY_CODE", "C_AGE_NAME", "OBS_VALUE"),
                first_row=(str(first),),
            ),
        ),
        landing_page="https://www.nomisweb.co.uk/datasets/pestsyoala",
        confidence="C",
        reader="ons_population",
        required=False,
    )


CATALOGUE = (
    _cin_underlying(2010, "CINAt310310", "", "B"),
    _cin_underlying(2011, "CINAt310311", "", "B"),
    _cin_underlying(
        2012,
        "CINAt310312",
        "characteristics-of-children-in-need-in-england-year-ending-march-2012",
        "A",
    ),
    _cin_underlying(
        2013, "CINAt310313", "characteristics-of-children-in-need-in-england-2012-to-2013", "A"
    ),
    _cin_underlying(2014, "CINAt310314", "characteristics-of-children-in-need-2013-to-2014", "B"),
    _cin_underlying(2015, "CINAt310315", "characteristics-of-children-in-need-2014-to-2015", "B"),
    _cin_underlying(2016, "CINAt310316", "characteristics-of-children-in-need-2015-to-2016", "B"),
    _cin_underlying(
        2017, "CINEpisodesThro1617", "characteristics-of-children-in-need-2016-to-2017", "B"
    ),
    Source(
        name="ees-cin",
        title="Children in need, current release, with its population file",
        publisher=DFE,
        locators=(EesRelease("children-in-need", "2025", "9d18dcc5-207b-43d3-c0e1-08ddff5126a0"),),
        members=_CIN_MEMBERS,
        landing_page=f"{_FIND}children-in-need",
        confidence="A",
        reader="ees_cin",
    ),
    Source(
        name="ees-cla",
        title="Children looked after, current release: number and rate by authority",
        publisher=DFE,
        locators=(
            EesRelease(
                "children-looked-after-in-england-including-adoptions",
                "2025",
                "8c28aca0-6ab9-400b-b7de-c5fc7a148c2e",
            ),
        ),
        members=(
            _ees(
                "rate",
                "*cla_number_and_rate_per_10k_children*.csv",
                "population_type",
                "rate_per_10000",
                data_set="4cf02bf8-b4c7-46e5-a63e-702b431db15b",
            ),
        ),
        landing_page=f"{_FIND}children-looked-after-in-england-including-adoptions",
        confidence="B",
        reader="cla",
    ),
    Source(
        name="ees-workforce",
        title="Children's social work workforce, current release: indicators by authority",
        publisher=DFE,
        locators=(
            EesRelease(
                "children-s-social-work-workforce",
                "2025",
                "54642595-7462-42ba-b565-08de4c5bcb90",
            ),
        ),
        members=(
            _ees(
                "indicators",
                "*csww_indicators*.csv",
                "turnover_rate_fte",
                "agency_rate_fte",
                data_set="6d765688-fb18-4f13-8e8e-be816bc63b17",
            ),
        ),
        landing_page=f"{_FIND}children-s-social-work-workforce",
        confidence="B",
        reader="workforce",
    ),
    _deprivation(
        2015,
        "2013",
        (
            WebFile(
                "govuk",
                "government/uploads/system/uploads/attachment_data/file/464465/"
                "File_11_ID_2015_Upper-tier_Local_Authority_Summaries.xlsx",
            ),
        ),
        "B",
    ),
    _deprivation(
        2019,
        "2019",
        (
            WebFile(
                "assets",
                "media/5d8b3d7aed915d0369518030/"
                "File_11_-_IoD2019_Local_Authority_District_Summaries__upper-tier__.xlsx",
            ),
        ),
        "A",
        "4bdbc1f2e7fc5bd0e6b15d9cdecd7f7b8fe661c9daf76f0414ac35b2ddab422b",
    ),
    _deprivation(
        2025,
        "202[3-5]",
        (
            WebFile(
                "assets",
                "media/6917414ab49cc44345161802/"
                "File_11_-_IoD2025_Local_Authority_District_Summaries__upper-tier__v2.xlsx",
            ),
        ),
        "A",
    ),
    Source(
        name="ofsted-2023",
        title="Ofsted: inspections of local authorities 2009-2023, underlying data",
        publisher=OFSTED,
        locators=(
            GovukPage(
                "government/statistics/childrens-social-care-data-in-england-2023",
                attachment=r"underlying[ _-]*data",
                extensions=(".ods",),
            ),
        ),
        members=(Member("workbook", "*.ods", sheets=("LA_inspections_2009-2023",)),),
        landing_page=f"{_STATISTICS}childrens-social-care-data-in-england-2023",
        confidence="A",
        reader="ofsted",
    ),
    Source(
        name="ofsted-2025",
        title="Ofsted: inspection outcomes of local authorities to 31 March 2025",
        publisher=OFSTED,
        locators=(
            GovukPage(
                "government/statistics/local-authority-inspection-outcomes-as-at-31-march-2025",
                attachment=r"underlying[ _-]*data|inspection[ _-]*outcomes",
                extensions=(".ods",),
            ),
        ),
        members=(Member("workbook", "*.ods", sheets=("ILACS_inspection_history",)),),
        landing_page=f"{_STATISTICS}local-authority-inspection-outcomes-as-at-31-march-2025",
        confidence="A",
        reader="ofsted",
    ),
    _boundaries("2023", "December_2023", "23"),
    _boundaries("2024", "December_2024", "24"),
    _cla(2010, {"march": "MarTotal_2010", "started": "StartTotal_2010"}),
    *(_cla(year, {"table": f"CLA_Mar{year}"}) for year in range(2011, 2018)),
    _workforce(2015, r"\b2015\b"),
    _workforce(2016, r"\b2016\b"),
    _nomis(2001, 2006),
    _nomis(2007, 2011),
    Source(
        name="population-ons",
        title="Population by single year of age 2001-2020, by lower-tier authority",
        publisher=ONS,
        locators=(
            WebFile(
                "ons",
                "file?uri=/peoplepopulationandcommunity/populationandmigration/"
                "populationestimates/datasets/"
                "populationestimatesforukenglandandwalesscotlandandnorthernireland/"
                "mid2001tomid2020detailedtimeseries/ukdetailedtimeseries2001to2020.zip",
            ),
        ),
        members=(
            Member(
                "table",
                "*myeb1*.csv",
                columns=("lad*code*", "age", "population_2001"),
                header_row=2,
                least_rows=1000,
            ),
        ),
        landing_page="https://www.ons.gov.uk/peoplepopulationandcommunity/populationandmigration/"
        "populationestimates/datasets/"
        "populationestimatesforukenglandandwalesscotlandandnorthernireland",
        confidence="B",
        reader="ons_population",
        required=False,
    ),
    Source(
        name="neighbours",
        title="Statistical neighbours of authorities",
        publisher=DFE,
        locators=(NoKnownAddress(),),
        members=(Member("table", "*.csv", columns=("*la*name*", "SN*1", "SN*P", "SN*10")),),
        landing_page="https://www.gov.uk/government/publications/"
        "local-authority-interactive-tool-lait",
        confidence="C",
        reader="neighbours",
        required=False,
    ),
)
