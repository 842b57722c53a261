"""English upper-tier authorities and how they succeeded one another: the project's own facts.

Written from the ONS Register of Geographic Codes and the structural changes orders that it cites.
``authorities.csv`` has one row for each code. ``from_year`` and ``to_year`` are the first and last
financial years (ending 31 March) in which the authority existed, so an authority vested on
1 April 2019 begins in 2020; 2001 stands for "2001 or before", a blank for "still there". Codes of
the 2009 county unitaries (Durham, Northumberland, Shropshire, Wiltshire, Cornwall) are carried
back to 2001, since their areas did not change and no child statistics ever used the older codes.

The nine-character ONS code changes with a boundary or a name, and old codes stay in use for years
after; the three-digit code of the Department for Education is stable. A code is therefore looked up
whatever the year, and only an authority of another area is refused.
"""

import csv
import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ENGLAND = "E92000001"
FIRST_YEAR, LAST_YEAR = 2001, 2025
LIVE = 9999

REGIONS = (
    "North East",
    "North West",
    "Yorkshire and The Humber",
    "East Midlands",
    "West Midlands",
    "East of England",
    "London",
    "South East",
    "South West",
)
TYPES = ("county", "unitary authority", "metropolitan district", "London borough")


@dataclass(frozen=True)
class Authority:
    la_code: str
    name: str
    dfe_code: str
    region: str
    la_type: str
    from_year: int
    to_year: int

    def exists_in(self, year: int) -> bool:
        return self.from_year <= year <= self.to_year


@dataclass(frozen=True)
class Succession:
    """``old`` handed its area, or part of it, to ``new`` on the vesting date.

    ``code_only`` marks the same area under a new code.
    """

    old: str
    new: str
    vested: datetime.date
    code_only: bool
    source: str


def _succeed(
    vested: tuple[int, int, int], source: str, pairs: str, *, code_only: bool = False
) -> list[Succession]:
    links = (pair.split(">") for pair in pairs.split())
    return [Succession(old, new, datetime.date(*vested), code_only, source) for old, new in links]


SUCCESSIONS: tuple[Succession, ...] = (
    *_succeed(
        (2009, 4, 1),
        "Cheshire (Structural Changes) Order 2008",
        "E10000004>E06000049 E10000004>E06000050",
    ),
    *_succeed(
        (2009, 4, 1),
        "Bedfordshire (Structural Changes) Order 2008",
        "E10000001>E06000055 E10000001>E06000056",
    ),
    *_succeed(
        (2013, 4, 1),
        "Gateshead and Northumberland (Boundary Change) Order 2013",
        "E06000048>E06000057 E08000020>E08000037",
        code_only=True,
    ),
    # Christchurch moved from the old Dorset to the new Bournemouth, Christchurch and Poole, so the
    # two new authorities can only be compared with the three old ones together.
    *_succeed(
        (2019, 4, 1),
        "Bournemouth, Dorset and Poole (Structural Changes) Order 2018",
        "E06000028>E06000058 E06000029>E06000058 E10000009>E06000058 E10000009>E06000059",
    ),
    *_succeed(
        (2020, 4, 1),
        "Buckinghamshire (Structural Changes) Order 2019",
        "E10000002>E06000060",
        code_only=True,
    ),
    *_succeed(
        (2021, 4, 1),
        "Northamptonshire (Structural Changes) Order 2020",
        "E10000021>E06000061 E10000021>E06000062",
    ),
    *_succeed(
        (2023, 4, 1),
        "Cumbria (Structural Changes) Order 2022",
        "E10000006>E06000063 E10000006>E06000064",
    ),
    *_succeed(
        (2023, 4, 1),
        "North Yorkshire and Somerset (Structural Changes) Orders 2022",
        "E10000023>E06000065 E10000027>E06000066",
        code_only=True,
    ),
    *_succeed(
        (2025, 5, 1),
        "Barnsley and Sheffield boundary change, ONS Register of Geographic Codes 2025",
        "E08000016>E08000038 E08000019>E08000039",
        code_only=True,
    ),
)


@cache
def authorities() -> dict[str, Authority]:
    """All authorities by nine-character code, in the order of their codes."""
    path = Path(__file__).with_name("authorities.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["la_code"]: Authority(
                row["la_code"],
                row["la_name"],
                row["dfe_code"],
                row["region"],
                row["la_type"],
                int(row["from_year"]),
                int(row["to_year"] or LIVE),
            )
            for row in csv.DictReader(file)
        }


@cache
def _new_codes() -> dict[str, str]:
    return {link.old: link.new for link in SUCCESSIONS if link.code_only}


def latest_code(la_code: str) -> str:
    """Follow code-only changes to the newest code of the same area."""
    while la_code in _new_codes():
        la_code = _new_codes()[la_code]
    return la_code


def authorities_in(year: int) -> list[Authority]:
    """The authorities that existed in the financial year, each under its code of that year."""
    return [authority for authority in authorities().values() if authority.exists_in(year)]


def find_authority(year: int, *, dfe_code: str = "", la_code: str = "") -> Authority | None:
    """The authority of ``year`` that the codes name, or None.

    A nine-character code may be older or newer than the year; codes of an area that had been
    abolished, or had not been created, find nothing. Given both codes, both must name the same
    authority.
    """
    found = [
        authority
        for authority in authorities_in(year)
        if (not dfe_code or authority.dfe_code == dfe_code)
        and (not la_code or latest_code(authority.la_code) == latest_code(la_code))
    ]
    return found[0] if len(found) == 1 else None


def joint_code(authorities: Iterable[Authority]) -> str:
    """Code under which a figure stands that several authorities report together:
    ``K`` and their three-digit codes in order, as in ``K314+318``.
    """
    return "K" + "+".join(sorted(authority.dfe_code for authority in authorities))


def joint_members(code: str, year: int) -> tuple[Authority, ...]:
    """The authorities of ``year`` behind a joint code; none when it is not one."""
    if not code.startswith("K"):
        return ()
    members = [find_authority(year, dfe_code=part) for part in code[1:].split("+")]
    found = tuple(member for member in members if member)
    return found if len(found) == len(members) > 1 and joint_code(found) == code else ()
