"""Declared columns of the DfE looked-after children releases, 2010-2017, authority tables.

2010 prints children looked after at 31 March and children who started in two files; from 2011 one
file prints those at 31 March only. Codes are three-digit ones in 2010; later files keep
nine-character codes that had ended. What was verified in the files as published:

- counts of authorities are exact in every release (16 to 26 per cent of them are multiples of 5);
- England is rounded to 100 in 2010 and to 10 from 2011, regions to 10 throughout;
- children looked after at 31 March are hidden nowhere, starts of 2010 in two authorities;
- the Isles of Scilly have no line from 2011 to 2016, and a line without a level in 2017.

Sources: SFR27/2010, SFR21/2011, SFR20/2012, SFR36/2013, SFR36/2014, SFR34/2015, SFR41/2016 and
SFR50/2017, underlying data and their metadata.
"""

from dataclasses import dataclass

from data_prep.markers import SFR
from data_prep.sources.wide import Layout

FIRST_YEAR, LAST_YEAR = 2010, 2017
SCILLY = "420"


@dataclass(frozen=True)
class ClaLayout:
    """A release's table, the measure that it prints and the rounding of England's figure."""

    plan: Layout
    measure: str
    header: str
    england_unit: int


_RELEASES = {
    2011: ("SFR21/2011", "SFR21_CLA.csv"),
    2012: ("SFR20/2012", "SFR20_CLA2012.csv"),
    2013: ("SFR36/2013", "SFR36_CLA2013.csv"),
    2014: ("SFR36/2014", "SFR36_CLA2014.csv"),
    2015: ("SFR34/2015", "SFR34_CLA2015.csv"),
    2016: ("SFR41/2016", "SFR41_CLA2016.csv"),
    2017: ("SFR50/2017", "SFR50_CLA2017.csv"),
}

# 2010: where the children were placed, by the codes of the return.
_PLACEMENTS = "Q1 Q2 A3 A4 A5 A6 P1 P2 P3 K1 K2 H5 R1 R2 R3 R5 S1 M1 M2 M3 Z1"

# From 2011: sex, age, ethnicity, placement, legal status, provider. ``{year}`` is the release's.
_COMMON = (
    "CLA_{year} CLA_stp{year} CLA_male CLA_female CLA_U1 CLA_1to4 CLA_5to9 CLA_10to15 CLA_16over"
    " CLA_White CLA_Mixed CLA_Asian CLA_Black CLA_EOTH CLA_Oth CLA_Fost CLA_Adopt CLA_Parent"
    " CLA_Ocom CLA_Secure CLA_Ores CLA_RSch CLA_ICO CLA_FCO CLA_FrAd CLA_PlaceO CLA_S20 CLA_YJLS"
    " CLA_CPG CLA_UASC CLA_OwnP CLA_OthLA CLA_OthPP CLA_Priv CLA_Vol CLA_Par CLA_Nrep"
    " CLA_Outbound CLA_ExtPl CLA_NetGain"
)
# First and last year of what comes and goes.
_SOMETIMES = (
    (2011, 2014, "CLA_Moth CLA_1Pla CLA_2PLa CLA_3Pla CLA_P2yrs"),
    (2011, 2014, "CLA_Miss"),
    (2016, 2016, "CLA_Miss"),
    (2011, 2015, "CLA_OthPl"),
    (2017, 2017, "CLA_OthPl"),
    (2011, 2012, "CLAA_InBound"),
    (2013, 2017, "CLA_InBound"),
    (
        2017,
        2017,
        "LA_order CLA_InLA_LTE20 CLA_OutLA_LTE20 CLA_InLA_GT20 CLA_OutLA_GT20 CLA_InLA_NoInfo"
        " CLA_OutLA_NoInfo CLA_LAPl CLA_IntPl CLA_RPC_All_Place CLA_RPC_CARPL CLA_RPC_CLOSE"
        " CLA_RPC_ALLEG CLA_RPC_STAND CLA_RPC_APPRR CLA_RPC_CREQB CLA_RPC_CREQO CLA_RPC_CHILD"
        " CLA_RPC_LAREQ CLA_RPC_PLACE CLA_RPC_OTHER",
    ),
)


def _layout_2010(stem: str, measure: str, also: tuple[str, ...]) -> ClaLayout:
    header = f"{stem}Total_2010"
    # The population beside it is the census file's, which is read there.
    unused = frozenset([*also, *(f"{stem}Place_{code}_2010" for code in _PLACEMENTS.split())])
    plan = Layout(
        name=f"looked-after children 2010, {stem.lower()}",
        release="SFR27/2010",
        file_name=f"SFR27_2010_{stem}{'ch' if stem == 'Mar' else 'ed'}.csv",
        year=2010,
        released=2010,
        dialect=SFR,
        dfe_code="geog_c",
        la_code="",
        area_name="geog_n",
        other_identity=("geog_l",),
        figures=(header,),
        fingerprint=unused | {header},
        is_unused=unused.__contains__,
    )
    return ClaLayout(plan, measure, header, england_unit=100)


def _layout(year: int) -> ClaLayout:
    release, file_name = _RELEASES[year]
    header = f"CLA_Mar{year}"
    names = [name.format(year=year) for name in _COMMON.split()]
    for first, last, sometimes in _SOMETIMES:
        if first <= year <= last:
            names += sometimes.split()
    unused = frozenset(names)
    plan = Layout(
        name=f"looked-after children {year}",
        release=release,
        file_name=file_name,
        year=year,
        released=year,
        dialect=SFR,
        dfe_code="geog_c",
        la_code="New_geog_code",
        area_name="geog_n",
        other_identity=("geog_l",),
        figures=(header,),
        fingerprint=unused | {header},
        is_unused=unused.__contains__,
        may_lack=frozenset({SCILLY}) if year < LAST_YEAR else frozenset(),
    )
    return ClaLayout(plan, "cla_at_31_march", header, england_unit=10)


LAYOUTS: tuple[ClaLayout, ...] = (
    _layout_2010("Mar", "cla_at_31_march", ("Mid2009Pop0-17",)),
    _layout_2010("Start", "cla_starts", ()),
    *(_layout(year) for year in _RELEASES),
)
