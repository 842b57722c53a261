"""Tables of Explore Education Statistics that stack years: one line for each year and area.

A table may also have a line for each of several categories. Lines of regions are left out. Two
authorities that report together have one line with both codes (``314 / 318``). An authority that
did not exist in a year may have a line there, which must hold no number.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from data_prep import register
from data_prep.errors import Fault
from data_prep.markers import Dialect, clean_text
from data_prep.register import Authority
from data_prep.sources.files import RawFile
from data_prep.sources.wide import unknown_authority

# No table speaks of years beyond; how far one goes its own rows say.
LATEST = 2050
_JOINT = " / "
_ENGLAND_IDENTITY = ("country_code", "country_name")
_AREA_IDENTITY = ("old_la_code", "new_la_code", "la_name")


def _never(header: str) -> bool:
    return False


@dataclass(frozen=True)
class Panel:
    """One table; ``years`` are those ending 31 March that it may speak of.

    Each release prints all years anew and is named by its last one: ``{release}`` in ``edition``
    stands for that year, ``{period}`` for the period as printed.

    ``shift`` is added to a printed period to give the year. ``category`` is the header of the
    category, blank where there is none, ``categories`` all that may stand there and ``wanted``
    those that are read. ``is_national`` tables have no columns of authorities.
    """

    name: str
    release: str
    file_name: str
    years: range
    dialect: Dialect
    figures: tuple[str, ...]
    unused: tuple[str, ...]
    fingerprint: frozenset[str]
    shift: int = 0
    edition: str = "release {release}"
    category: str = ""
    categories: frozenset[str] = frozenset()
    wanted: frozenset[str] = frozenset({""})
    is_national: bool = False
    is_unused: Callable[[str], bool] = field(default=_never)

    @property
    def headers(self) -> tuple[str, ...]:
        """All headers of the table."""
        names = ["time_period", "time_identifier", "geographic_level", *_ENGLAND_IDENTITY]
        if not self.is_national:
            names += ["region_code", "region_name", *_AREA_IDENTITY]
        if self.category:
            names.append(self.category)
        return (*names, *self.figures, *self.unused)


def last_period(file: RawFile) -> int:
    """The last period of a table without faults; 0 where none is printed."""
    if "time_period" not in file.header:
        return 0
    at = file.header.index("time_period")
    texts = [clean_text(cells[at]) for _, cells in file.rows if len(cells) > at]
    return max((int(text) for text in texts if text.isascii() and text.isdigit()), default=0)


def name_release(file: RawFile, plan: Panel) -> tuple[int, str]:
    """Year of the release that the table belongs to, and its words."""
    period = last_period(file)
    released = period + plan.shift
    return released, f"{plan.release}, {plan.edition.format(release=released, period=period)}"


@dataclass(frozen=True)
class PanelLine:
    """One line: no authority is England, several report together."""

    number: int
    cells: Mapping[str, str]
    year: int
    category: str
    authorities: tuple[Authority, ...]

    @property
    def la_code(self) -> str:
        if not self.authorities:
            return register.ENGLAND
        if len(self.authorities) > 1:
            return register.joint_code(self.authorities)
        return self.authorities[0].la_code


def read_panel(
    file: RawFile, plan: Panel, years: Iterable[int]
) -> tuple[list[PanelLine], list[Fault]]:
    """Lines of England and of authorities in ``years``, and everything wrong with the table.

    The whole table is checked: every year from its first to its last must hold England and each
    authority of that year once in each category, alone or with others.
    """
    reader = _Reader(file, plan)
    for number, texts in file.rows:
        reader.read(number, texts)
    if not reader.faults:
        reader.check_complete()
    wanted = set(years)
    lines = [line for line in reader.lines if line.year in wanted and line.category in plan.wanted]
    return lines, reader.faults


class _Reader:
    def __init__(self, file: RawFile, plan: Panel) -> None:
        self.file, self.plan = file, plan
        self.lines: list[PanelLine] = []
        self.faults: list[Fault] = []
        self.seen: dict[tuple[int, str, str], int] = {}

    def blame(self, number: int, column: str, value: str, problem: str, remedy: str = "") -> None:
        self.faults.append(
            Fault(
                file=self.file.name,
                row=number,
                column=column,
                value=value,
                problem=problem,
                remedy=remedy or "fetch the file again",
            )
        )

    def read(self, number: int, texts: Sequence[str]) -> None:
        header, plan = self.file.header, self.plan
        if len(texts) != len(header):
            problem = f"number of cells differs from the header's {len(header)}"
            self.blame(number, "", str(len(texts)), problem)
            return
        cells = dict(zip(header, map(clean_text, texts), strict=True))
        year = self.year(number, cells)
        category = cells[plan.category] if plan.category else ""
        if plan.category and category not in plan.categories:
            near = difflib.get_close_matches(category, plan.categories, n=1)
            remedy = f"{near[0]!r} is known" if near else ""
            self.blame(number, plan.category, category, "unknown category", remedy)
            return
        authorities = self.authorities(number, cells, year) if year is not None else None
        if year is None or authorities is None:
            return
        line = PanelLine(number, cells, year, category, authorities)
        places = [authority.la_code for authority in authorities] or [register.ENGLAND]
        for place in places:
            key = (year, category, place)
            if key in self.seen:
                column = "geographic_level" if plan.is_national else "new_la_code"
                self.blame(number, column, place, f"duplicate of row {self.seen[key]}")
                return
        self.seen |= {(year, category, place): number for place in places}
        self.lines.append(line)

    def year(self, number: int, cells: Mapping[str, str]) -> int | None:
        period, kind = cells["time_period"], cells["time_identifier"]
        if kind != "Reporting year":
            self.blame(number, "time_identifier", kind, "not 'Reporting year'")
            return None
        years = self.plan.years
        if not (period.isascii() and period.isdigit() and int(period) + self.plan.shift in years):
            span = f"{years[0] - self.plan.shift}-{years[-1] - self.plan.shift}"
            self.blame(number, "time_period", period, f"not a year of {span}")
            return None
        return int(period) + self.plan.shift

    def authorities(
        self, number: int, cells: Mapping[str, str], year: int
    ) -> tuple[Authority, ...] | None:
        """Authorities of a line, none for England; None for a line to leave out."""
        level = cells["geographic_level"]
        if (cells["country_code"], cells["country_name"]) != (register.ENGLAND, "England"):
            printed = f"{cells['country_code']} {cells['country_name']}"
            self.blame(number, "country_code", printed, "not England")
            return None
        area = {} if self.plan.is_national else {name: cells[name] for name in _AREA_IDENTITY}
        region = "" if self.plan.is_national else cells["region_code"]
        if level == "National" and not any(area.values()) and not region:
            return ()
        if level == "Regional" and region and not any(area.values()):
            return None
        if level != "Local authority" or not all(area.values()) or not area:
            printed = " ".join(filter(None, (level, *area.values())))
            problem = "neither an authority, nor a region, nor England"
            self.blame(number, "geographic_level", printed, problem)
            return None
        return self.find(number, cells, year)

    def find(
        self, number: int, cells: Mapping[str, str], year: int
    ) -> tuple[Authority, ...] | None:
        dfe_codes = cells["old_la_code"].split(_JOINT)
        la_codes = cells["new_la_code"].split(_JOINT)
        pairs = list(zip(dfe_codes, la_codes, strict=False))
        found = [register.find_authority(year, dfe_code=d, la_code=c) for d, c in pairs if d and c]
        authorities = tuple(authority for authority in found if authority)
        if len(authorities) == len(dfe_codes) == len(la_codes):
            return authorities
        known = register.authorities().get(la_codes[0])
        if len(dfe_codes) == len(la_codes) == 1 and known and known.dfe_code == dfe_codes[0]:
            # Of another time: such a line has nothing to say.
            numbers = [
                name for name in self.plan.figures if cells[name] not in self.plan.dialect.markers
            ]
            if not known.exists_in(year) and not numbers:
                return None
        codes = f"{cells['old_la_code']} {cells['new_la_code']}"
        self.faults.append(
            unknown_authority(self.file.name, number, year, "new_la_code", codes, cells["la_name"])
        )
        return None

    def check_complete(self) -> None:
        """Every year of the table has every area in every category."""
        printed = {year for year, _, _ in self.seen}
        if not printed:
            self.blame(1, "time_period", "", "a table without a line of England or an authority")
            return
        for year in range(min(printed), max(printed) + 1):
            expected = {register.ENGLAND: "England"}
            if not self.plan.is_national:
                expected |= {a.la_code: a.name for a in register.authorities_in(year)}
            for category in sorted(self.plan.categories or {""}):
                missing = [
                    name
                    for code, name in expected.items()
                    if (year, category, code) not in self.seen
                ]
                if missing:
                    self.faults.append(
                        Fault(
                            file=self.file.name,
                            column="la_name" if not self.plan.is_national else "time_period",
                            value=", ".join(missing),
                            problem=f"no row in {' '.join(filter(None, (str(year), category)))} "
                            f"for {len(missing)} of {len(expected)} areas",
                            remedy="fetch the file again",
                        )
                    )
