"""Tables with one line for each authority and one column for each figure, declared by release.

What is common to the readers of statistical first releases: recognising a file by its columns,
checking its header, matching its lines to authorities, reading its cells. Every problem becomes a
``Fault`` with its place.
"""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from data_prep import register
from data_prep.errors import Fault
from data_prep.markers import NOT_AVAILABLE, Cell, CellError, Dialect, clean_text, empty_cell
from data_prep.sources.files import RawFile

# A file with fewer of a layout's columns than this is another publication.
RECOGNISED = 0.5


class Table(Protocol):
    """What is needed to find the file of a table and to check its columns."""

    @property
    def name(self) -> str: ...
    @property
    def release(self) -> str: ...
    @property
    def file_name(self) -> str: ...
    @property
    def years(self) -> range: ...
    @property
    def headers(self) -> tuple[str, ...]: ...
    @property
    def fingerprint(self) -> frozenset[str]: ...
    @property
    def is_unused(self) -> Callable[[str], bool]: ...


@dataclass(frozen=True)
class Layout:
    """One release's table.

    ``dfe_code``, ``la_code`` and ``area_name`` are the headers that say whom a line is about
    (``la_code`` blank where there is none); ``figures`` the headers that are read; ``is_unused``
    knows the others; ``fingerprint`` lists the headers by which the file is recognised.
    ``may_lack`` holds three-digit codes of authorities that the release leaves out.
    """

    name: str
    release: str
    file_name: str
    # Year ending 31 March of which the figures speak, and the year of the release.
    year: int
    released: int
    dialect: Dialect
    dfe_code: str
    la_code: str
    area_name: str
    other_identity: tuple[str, ...]
    figures: tuple[str, ...]
    fingerprint: frozenset[str]
    is_unused: Callable[[str], bool]
    may_lack: frozenset[str] = frozenset()

    @property
    def years(self) -> range:
        return range(self.year, self.year + 1)

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that the reader needs."""
        identity = (self.la_code, self.dfe_code, self.area_name, *self.other_identity)
        return (*filter(None, identity), *self.figures)


@dataclass(frozen=True)
class Line:
    """One line of a table; ``authority`` None is England."""

    number: int
    cells: Mapping[str, str]
    authority: register.Authority | None

    @property
    def la_code(self) -> str:
        return self.authority.la_code if self.authority else register.ENGLAND


# What a line is about: an authority, England, a region (left out), or None when it says nothing
# that is known.
AUTHORITY, COUNTRY, REGION = "authority", "England", "region"
type Level = Callable[[Mapping[str, str]], str | None]


def find_layout[T: Table](header: Sequence[str], layouts: Sequence[T]) -> T | None:
    """The layout with the largest share of its fingerprint in the header, or None."""
    found = set(header)

    def share(plan: T) -> float:
        return len(found & plan.fingerprint) / len(plan.fingerprint)

    best = max(layouts, key=share)
    return best if share(best) >= RECOGNISED else None


def find_files[T: Table](
    files: Iterable[RawFile],
    layouts: Sequence[T],
    years: Iterable[int],
    edition: Callable[[T, RawFile], int] = lambda plan, file: 0,
) -> tuple[dict[tuple[str, int], tuple[T, RawFile]], list[Fault]]:
    """The file of each layout of ``years``, by the layout's name and the file's ``edition``.

    Two files of one layout and edition are a fault; so is a file that bears the name of a layout
    without a file but has other columns.
    """
    wanted = set(years)
    found: dict[tuple[str, int], tuple[T, RawFile]] = {}
    strangers: list[RawFile] = []
    faults: list[Fault] = []
    for file in files:
        if not file.header:
            continue
        plan = find_layout(file.header, layouts)
        if plan is None:
            strangers.append(file)
        elif wanted.isdisjoint(plan.years):
            continue
        elif (key := (plan.name, edition(plan, file))) in found:
            faults.append(
                Fault(
                    file=file.name,
                    value=found[key][1].name,
                    problem=f"a second file of {plan.name}",
                    remedy="keep one of the two",
                )
            )
        else:
            found[key] = (plan, file)
    names = {name for name, _ in found}
    for plan in layouts:
        if plan.name not in names and not wanted.isdisjoint(plan.years):
            faults += [
                _unknown_layout(file, plan)
                for file in strangers
                if file.path.name.casefold() == plan.file_name.casefold()
            ]
    return found, faults


def nearest(header: str, known: Iterable[str]) -> str:
    """The known headers that look most like ``header``, in words."""
    matches = difflib.get_close_matches(header, list(known), n=3)
    return f"nearest: {', '.join(matches)}" if matches else "nothing near it"


def _unknown_layout(file: RawFile, plan: Table) -> Fault:
    missing = [name for name in plan.headers if name not in file.header]
    near = "; ".join(f"{name}, {nearest(name, file.header)}" for name in missing[:5])
    return Fault(
        file=file.name,
        row=1,
        problem=f"unknown layout: found {', '.join(file.header)}; expected "
        f"{', '.join(plan.headers)}; for example {near}",
        remedy=f"fetch the underlying data of {plan.release} again",
    )


def check_header(file: RawFile, plan: Table) -> list[Fault]:
    """Columns missing, unknown or printed twice."""
    header = [name for name in file.header if name]
    problems: dict[str, str] = {}
    for name in plan.headers:
        if name not in header:
            near = nearest(name, set(header) - set(plan.headers))
            problems[name] = (
                f"column missing ({near}); found {', '.join(header)}; "
                f"expected {', '.join(plan.headers)}"
            )
    for name in dict.fromkeys(header):
        if header.count(name) > 1:
            problems[name] = f"column printed {header.count(name)} times"
        elif name not in plan.headers and not plan.is_unused(name):
            problems[name] = f"unknown column ({nearest(name, plan.headers)})"
    return [
        Fault(
            file=file.name,
            row=1,
            column=name,
            problem=problem,
            remedy=f"fetch the underlying data of {plan.release} again",
        )
        for name, problem in problems.items()
    ]


def read_lines(file: RawFile, plan: Layout, level: Level) -> tuple[list[Line], list[Fault]]:
    """Match lines to authorities; each authority of the year and England must be there once.

    Lines of regions are left out.
    """
    header = file.header
    lines: list[Line] = []
    faults: list[Fault] = []
    seen: dict[str, int] = {}

    def blame(number: int, column: str, value: str, problem: str, remedy: str) -> None:
        faults.append(
            Fault(
                file=file.name,
                row=number,
                column=column,
                value=value,
                problem=problem,
                remedy=remedy,
            )
        )

    for number, texts in file.rows:
        if len(texts) != len(header):
            blame(
                number,
                "",
                str(len(texts)),
                f"number of cells differs from the header's {len(header)}",
                "fetch the file again; an unquoted comma or a cut line shifts cells",
            )
            continue
        cleaned = [clean_text(text) for text in texts]
        stray = [text for name, text in zip(header, cleaned, strict=True) if text and not name]
        if stray:
            blame(number, "", stray[0], "a cell under a blank header", "fetch the file again")
            continue
        cells = {name: text for name, text in zip(header, cleaned, strict=True) if name}
        kind = level(cells)
        if kind == REGION:
            continue
        authority = None
        if kind is None:
            identity = (plan.la_code, plan.dfe_code, plan.area_name, *plan.other_identity)
            blame(
                number,
                plan.area_name,
                " ".join(cells[name] for name in identity if name and cells[name]),
                "neither an authority, nor a region, nor England",
                "fetch the file again",
            )
            continue
        if kind == AUTHORITY:
            dfe_code = cells[plan.dfe_code]
            la_code = cells[plan.la_code] if plan.la_code else ""
            authority = register.find_authority(plan.year, dfe_code=dfe_code, la_code=la_code)
            if authority is None or not dfe_code or (plan.la_code and not la_code):
                faults.append(
                    unknown_authority(
                        file.name,
                        number,
                        plan.year,
                        plan.dfe_code,
                        f"{dfe_code} {la_code}".strip(),
                        cells[plan.area_name],
                    )
                )
                continue
        line = Line(number, cells, authority)
        if line.la_code in seen:
            blame(
                number,
                plan.dfe_code,
                f"{cells[plan.dfe_code]} {cells[plan.area_name]}",
                f"duplicate of row {seen[line.la_code]}",
                "delete one of the two rows or fetch the file again",
            )
            continue
        seen[line.la_code] = number
        lines.append(line)
    faults += _missing_areas(file, plan, seen) if not faults else []
    return lines, faults


def _missing_areas(file: RawFile, plan: Layout, seen: Mapping[str, int]) -> list[Fault]:
    expected = {register.ENGLAND: "England"} | {
        authority.la_code: authority.name
        for authority in register.authorities_in(plan.year)
        if authority.dfe_code not in plan.may_lack
    }
    missing = [name for code, name in expected.items() if code not in seen]
    if not missing:
        return []
    return [
        Fault(
            file=file.name,
            column=plan.area_name,
            value=", ".join(missing),
            problem=f"no row for {len(missing)} of {len(expected)} areas",
            remedy="fetch the file again; an authority without a return still has a row",
        )
    ]


def unknown_authority(
    file: str, number: int, year: int, column: str, codes_printed: str, name: str
) -> Fault:
    """The fault of a line whose codes name no authority of the year."""
    codes = {a.name: f"{a.dfe_code} {a.la_code}" for a in register.authorities_in(year)}
    near = difflib.get_close_matches(name, codes, n=1)
    return Fault(
        file=file,
        row=number,
        column=column,
        value=f"{codes_printed} {name}",
        problem=f"unknown authority code in the year ending March {year}",
        remedy=f"{near[0]} is {codes[near[0]]}"
        if near
        else "correct the code or fetch the file again",
    )


class _Printed(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def cells(self) -> Mapping[str, str]: ...


def read_cell(
    file: str, line: _Printed, header: str, dialect: Dialect, *, decimals: int, faults: list[Fault]
) -> Cell:
    """Read one cell printed with at most ``decimals``; what is wrong goes to ``faults``."""
    text = line.cells[header]
    try:
        cell = dialect.read(text)
        if cell.value < 0:
            raise CellError("negative")
        if not math.isnan(cell.value) and round(cell.value, decimals) != cell.value:
            raise CellError(f"more than {decimals} decimals" if decimals else "not a whole number")
    except CellError as error:
        markers = ", ".join(repr(marker) for marker in dialect.markers)
        faults.append(
            Fault(
                file=file,
                row=line.number,
                column=header,
                value=text,
                problem=str(error),
                remedy=f"a number or one of {markers} belongs here; fetch the file again",
            )
        )
        return empty_cell(NOT_AVAILABLE)
    return cell
