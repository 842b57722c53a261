"""Official lists of authorities, held against the project's own register.

Nothing is taken from them: every code and region of every list must say what the register says, or
become a finding. Read are the list of authorities and the list of regions of the Department for
Education, and three lists of the register of local authorities (GSS, three-digit and SNAC codes).
"""

import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from data_prep import register
from data_prep.checks import FAIL, PASS, WARNING, Finding
from data_prep.errors import DataError, Fault
from data_prep.register import Authority
from data_prep.sources.files import RawFile
from data_prep.sources.layouts import contradicts, resemblance, tidy, unknown_layout

CHECK = "register against official lists"
# Kinds of upper-tier authorities: unitary, metropolitan, London borough, county.
_UPPER_TIER = ("E06", "E08", "E09", "E10")
_REGION_CODES = {f"E1200000{number}": name for number, name in enumerate(register.REGIONS, 1)}
_NO_CODE = ("", "x", "z")
# Counties that became unitary in 2009 with the same area: the register keeps the newer code only.
_REPLACED_IN_2009 = {
    "E10000005": "Cornwall and Isles of Scilly",
    "E10000010": "Durham",
    "E10000022": "Northumberland",
    "E10000026": "Shropshire",
    "E10000033": "Wiltshire",
}
_ENGLISH, _WELSH = "local-authority-eng:", "principal-local-authority:"
_BEFORE_2000, _ABROAD = r"Pre LGR \(199\d\)", "Establishments"
# The lists begin here: codes valid from this date are those of authorities that existed before.
_FIRST_DATE = datetime.date(2009, 1, 1)

type _Line = tuple[int, Mapping[str, str]]


@dataclass(frozen=True)
class Layout:
    """Columns of one list, and what it is."""

    name: str
    title: str
    columns: tuple[str, ...]


LAYOUTS = (
    Layout(
        "authorities",
        "Department for Education, local authorities",
        (
            "new_la_code",
            "la_name",
            "date_of_operation",
            "date_of_termination",
            "parent_geography_code",
            "entity_code",
            "entity_description",
            "status",
            "old_la_code",
        ),
    ),
    Layout(
        "regions",
        "Department for Education, regions and their local authorities",
        ("region_code", "region_name", "old_la_code", "la_name", "new_la_code"),
    ),
    Layout(
        "edubase", "local authorities by three-digit code", ("edubase", "local-authority", "name")
    ),
    Layout("gss", "local authorities by GSS code", ("gss", "local-authority", "name")),
    Layout("snac", "local authorities by SNAC code", ("snac", "local-authority")),
)


def recognise(file: RawFile) -> str | None:
    """What the file is, when it is one of these lists."""
    layout = _layout_of(file)
    return layout.title if layout else None


def _layout_of(file: RawFile) -> Layout | None:
    """The list that the file's columns are most like: all of a short list's, or most of a long
    one's.
    """
    header = [tidy(name) for name in file.header]
    best = max(LAYOUTS, key=lambda layout: resemblance(header, layout.columns))
    if set(best.columns) <= set(header) and len(header) == len(best.columns):
        return best
    long = [layout for layout in LAYOUTS if len(layout.columns) > 3]
    best = max(long, key=lambda layout: resemblance(header, layout.columns))
    # The column of codes and dates in other publications has the same names: ask for most.
    near = resemblance(header, best.columns) >= 0.8 and len(header) <= len(best.columns) + 1
    return best if near else None


def read_lookups(files: Sequence[RawFile]) -> dict[str, tuple[str, list[_Line]]]:
    """Lines of each list among ``files``, by the name of its layout, with the file's name.

    Raises
    ------
    DataError
        With every fault of every file: a list that is there twice, columns missing or unknown,
        lines cut or shifted, a list without lines.
    """
    found: dict[str, tuple[str, list[_Line]]] = {}
    faults: list[Fault] = []
    for file in files:
        layout = _layout_of(file)
        if layout is None:
            continue
        header = [tidy(name) for name in file.header]
        if sorted(header) != sorted(layout.columns):
            faults.append(unknown_layout(file.name, header, layout.columns, layout.title))
            continue
        if layout.name in found:
            faults.append(
                Fault(
                    file=file.name,
                    value=found[layout.name][0],
                    problem=f"a second file of this list: {layout.title}",
                    remedy="keep one of the two",
                )
            )
            continue
        lines: list[_Line] = []
        for number, texts in file.rows:
            if len(texts) != len(header):
                faults.append(
                    Fault(
                        file=file.name,
                        row=number,
                        value=str(len(texts)),
                        problem=f"number of cells differs from the header's {len(header)}",
                        remedy="fetch the file again; an unquoted comma or a cut line shifts cells",
                    )
                )
                continue
            lines.append((number, dict(zip(header, map(tidy, texts), strict=True))))
        if not file.rows:
            faults.append(
                Fault(file=file.name, problem="no lines below the header", remedy="fetch it again")
            )
        found[layout.name] = file.name, lines
    if faults:
        raise DataError(faults)
    return found


def check_lookups(files: Sequence[RawFile]) -> list[Finding]:
    """Hold the register against every official list among ``files``.

    Returns
    -------
    list
        A FAIL where a list and the register contradict one another (code, region, years), a WARNING
        for codes and regions that the register does not know and for authorities that a list lacks,
        a PASS for each list without any.

    Raises
    ------
    DataError
        As :func:`read_lookups`.
    """
    lists = read_lookups(files)
    checks: dict[str, Callable[[str, list[_Line]], Iterable[Finding]]] = {
        "authorities": _check_authorities,
        "regions": _check_regions,
        "edubase": _check_edubase,
        "gss": _check_gss,
        "snac": lambda file, lines: _check_snac(file, lines, lists),
    }
    findings: list[Finding] = []
    for name, check in checks.items():
        if name not in lists:
            continue
        file, lines = lists[name]
        found = list(check(file, lines))
        if all(finding.level == PASS for finding in found):
            found.append(Finding(CHECK, PASS, f"{len(lines)} lines, no code unresolved", file=file))
        findings += found
    return findings


def _fail(file: str, number: int, problem: str, authority: Authority, value: str) -> Finding:
    return Finding(
        CHECK,
        FAIL,
        f"row {number}: {problem}",
        "fetch the list again; if it stands, correct data_prep/authorities.csv",
        file,
        authority.name,
        value=value,
    )


def _unresolved(file: str, problem: str, values: Sequence[str], level: str = WARNING) -> Finding:
    return Finding(
        CHECK,
        level,
        problem,
        "nothing need be done unless figures stand under them" if level == WARNING else "",
        file,
        value=", ".join(values),
    )


def _explain(unknown: Mapping[str, str], file: str) -> Iterator[Finding]:
    """Findings of codes (code -> code and name as printed) that the register does not know."""
    replaced = [text for code, text in unknown.items() if code in _REPLACED_IN_2009]
    joint = [text for code, text in unknown.items() if "/" in code]
    none = [text for code, text in unknown.items() if code.split("#")[0] in _NO_CODE]
    rest = [text for text in unknown.values() if text not in {*replaced, *joint, *none}]
    for problem, values in (
        ("codes replaced in 2009 for the same area; the register keeps the newer ones", replaced),
        ("codes of several authorities that report together", joint),
        ("rows without a code of an English authority", none),
        ("codes that the register does not know", rest),
    ):
        if values:
            yield _unresolved(file, problem, values)


def _check_dfe_code(
    file: str, number: int, authority: Authority, printed: str
) -> Iterator[Finding]:
    if printed != authority.dfe_code:
        problem = f"three-digit code {printed!r}, in the register {authority.dfe_code}"
        yield _fail(file, number, problem, authority, authority.la_code)


def _check_region(file: str, number: int, authority: Authority, region: str) -> Iterator[Finding]:
    if region != authority.region:
        problem = f"region {region!r}, in the register {authority.region}"
        yield _fail(file, number, problem, authority, authority.la_code)


def _absent(file: str, seen: Iterable[str], what: str) -> Iterator[Finding]:
    known = set(seen)
    absent = [
        f"{code} {authority.name}"
        for code, authority in register.authorities().items()
        if code not in known
    ]
    if absent:
        yield _unresolved(file, f"authorities of the register that {what} lacks", absent)


def _check_authorities(file: str, lines: list[_Line]) -> Iterator[Finding]:
    unknown: dict[str, str] = {}
    regions: list[str] = []
    seen: set[str] = set()
    for number, cells in lines:
        code, name = cells["new_la_code"], cells["la_name"]
        region = _REGION_CODES.get(cells["parent_geography_code"])
        authority = register.authorities().get(code)
        if authority is None:
            key = f"{code}#{number}" if code in _NO_CODE else code
            unknown[key] = f"{code} {name} ({cells['old_la_code']})"
            continue
        if code in seen:
            yield _fail(file, number, "the code stands there a second time", authority, code)
        seen.add(code)
        yield from _check_name(file, number, authority, name)
        yield from _check_dfe_code(file, number, authority, cells["old_la_code"])
        if region is None:
            regions.append(f"{code} {name}: {cells['parent_geography_code']!r}")
        else:
            yield from _check_region(file, number, authority, region)
        yield from _check_years(file, number, authority, cells)
    if regions:
        yield _unresolved(file, "regions that the register does not know", regions)
    yield from _explain(unknown, file)
    yield from _absent(file, seen, "the list of authorities")


def _check_years(
    file: str, number: int, authority: Authority, cells: Mapping[str, str]
) -> Iterator[Finding]:
    """A code begins in the financial year of its first day; the last year that it stands for is the
    last one that ended while it was valid.
    """
    begins, ends = (_date(cells[name]) for name in ("date_of_operation", "date_of_termination"))
    from_year = register.FIRST_YEAR if begins == _FIRST_DATE else _year(begins)
    # The register carries the unitary counties of 2009 back: no other authority held their areas.
    carried = authority.from_year == register.FIRST_YEAR and from_year == 2010
    if begins is None or not (carried or from_year == authority.from_year):
        problem = f"begins {cells['date_of_operation']!r}, in the register {authority.from_year}"
        yield _fail(file, number, problem, authority, authority.la_code)
    to_year = _last_year(ends) if ends else register.LIVE
    if (ends is None) != (cells["date_of_termination"] == "") or to_year != authority.to_year:
        problem = f"ends {cells['date_of_termination']!r}, in the register {authority.to_year}"
        yield _fail(file, number, problem, authority, authority.la_code)


def _date(text: str) -> datetime.date | None:
    match = re.fullmatch(r"(\d{2})/(\d{2})/(\d{4})", text, re.ASCII)
    if not match:
        return None
    try:
        return datetime.date(int(match[3]), int(match[2]), int(match[1]))
    except ValueError:
        return None


def _year(date: datetime.date | None) -> int:
    """The financial year, ending 31 March, that the day lies in."""
    return 0 if date is None else date.year + (date.month >= 4)


def _last_year(date: datetime.date) -> int:
    """The last financial year whose end, 31 March, is not after the day."""
    return date.year if (date.month, date.day) >= (3, 31) else date.year - 1


def _check_regions(file: str, lines: list[_Line]) -> Iterator[Finding]:
    unknown: dict[str, str] = {}
    regions: list[str] = []
    seen: set[str] = set()
    for number, cells in lines:
        code, name = cells["new_la_code"], cells["la_name"]
        authority = register.authorities().get(code)
        region = _REGION_CODES.get(cells["region_code"])
        if region != cells["region_name"]:
            regions.append(f"{cells['region_code']} {cells['region_name']}: {code} {name}")
        if authority is None:
            key = f"{code}#{number}" if code in _NO_CODE else code
            unknown[key] = f"{code} {name} ({cells['old_la_code']})"
            continue
        seen.add(code)
        yield from _check_name(file, number, authority, name)
        yield from _check_dfe_code(file, number, authority, cells["old_la_code"])
        if region == cells["region_name"]:
            yield from _check_region(file, number, authority, region)
    if regions:
        yield _unresolved(file, "regions that the register does not know", regions)
    yield from _explain(unknown, file)
    yield from _absent(file, seen, "the list of regions")


def _check_edubase(file: str, lines: list[_Line]) -> Iterator[Finding]:
    known = {authority.dfe_code: authority for authority in register.authorities().values()}
    for number, cells in lines:
        yield from _check_name(file, number, known.get(cells["edubase"]), cells["name"])
    rows = [(cells["edubase"], cells["local-authority"], cells["name"]) for _, cells in lines]
    unknown = [row for row in rows if row[0] not in known]
    other = [f"{code} {name}" for code, key, name in unknown if _is_elsewhere(key, name)]
    yield from _explain(
        {code: f"{code} {name}" for code, key, name in unknown if not _is_elsewhere(key, name)},
        file,
    )
    if other:
        problem = "codes outside England or abolished before 2000, not looked for in the register"
        yield _unresolved(file, problem, other, PASS)


def _is_elsewhere(key: str, name: str) -> bool:
    """An authority of another country, one abolished before 2000, or schools abroad."""
    return key.startswith(_WELSH) or bool(re.match(_BEFORE_2000, name)) or name.endswith(_ABROAD)


def _check_name(
    file: str, number: int, authority: Authority | None, name: str
) -> Iterator[Finding]:
    if authority and contradicts(authority, name):
        problem = f"code and name {name!r} belong to two authorities"
        yield _fail(file, number, problem, authority, authority.la_code)


def _check_gss(file: str, lines: list[_Line]) -> Iterator[Finding]:
    for number, cells in lines:
        yield from _check_name(
            file, number, register.authorities().get(cells["gss"]), cells["name"]
        )
    rows = [(cells["gss"], cells["local-authority"], cells["name"]) for _, cells in lines]
    yield from _explain(
        {
            code: f"{code} {name}"
            for code, _, name in rows
            if code.startswith(_UPPER_TIER) and code not in register.authorities()
        },
        file,
    )
    blank = [f"{key} {name}" for code, key, name in rows if not code and key.startswith(_ENGLISH)]
    if blank:
        yield _unresolved(file, "English bodies without a GSS code", blank)
    other = [code for code, _, _ in rows if code and not code.startswith(_UPPER_TIER)]
    if other:
        problem = "codes of districts, regions and other countries, not looked for in the register"
        yield _unresolved(file, problem, [f"{len(other)} codes"], PASS)


def _check_snac(
    file: str, lines: list[_Line], lists: Mapping[str, tuple[str, list[_Line]]]
) -> Iterator[Finding]:
    """SNAC codes have no column in the register: they resolve by way of the other two lists."""
    gss = {c["local-authority"]: c["gss"] for _, c in lists.get("gss", ("", []))[1]}
    edubase = {c["local-authority"]: c["edubase"] for _, c in lists.get("edubase", ("", []))[1]}
    dfe_codes = {authority.dfe_code for authority in register.authorities().values()}
    unknown, blank, other = [], [], 0
    for _, cells in lines:
        snac, key = cells["snac"], cells["local-authority"]
        if not key.startswith(_ENGLISH):
            other += 1
        elif not snac:
            blank.append(key)
        elif gss.get(key) in register.authorities() or edubase.get(key) in dfe_codes:
            continue
        elif gss.get(key) and not gss[key].startswith(_UPPER_TIER):
            other += 1
        else:
            unknown.append(f"{snac} {key}")
    if unknown:
        problem = "codes that neither of the other lists leads to the register"
        yield _unresolved(file, problem, unknown)
    if blank:
        yield _unresolved(file, "English bodies without a SNAC code", blank)
    if other:
        problem = "codes of districts, regions and other countries, not looked for in the register"
        yield _unresolved(file, problem, [f"{other} codes"], PASS)
