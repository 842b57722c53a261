"""What the readers of facts about authorities share: headers as declared, codes that must resolve.

A header is compared without stray spaces; a table whose columns are not the declared ones is
refused with what was found, what was expected and which columns lie near.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from functools import cache

from data_prep import register
from data_prep.errors import Fault
from data_prep.markers import clean_text
from data_prep.register import Authority


def tidy(text: object) -> str:
    """The text without stray spaces at its ends or doubled inside it."""
    return re.sub(r"\s+", " ", clean_text(str(text)))


def resemblance(found: Sequence[str], expected: Sequence[str]) -> float:
    """Share of the expected columns that were found."""
    return len(set(found) & set(expected)) / len(set(expected))


def nearest(name: str, known: Iterable[str]) -> str:
    """The columns most like ``name``, in words."""
    matches = difflib.get_close_matches(name, [text for text in known if text], n=3)
    return f"nearest: {', '.join(matches)}" if matches else "nothing near it"


def unknown_layout(file: str, found: Sequence[str], expected: Sequence[str], what: str) -> Fault:
    """The fault of a header that is none of the declared ones.

    Parameters
    ----------
    file
        Name of the file, with the sheet where it has several.
    found, expected
        Columns printed and columns of the layout that it resembles most.
    what
        The publication, for the remedy.
    """
    missing = [name for name in dict.fromkeys(expected) if name and name not in found]
    if missing:
        detail = "; ".join(f"{name}, {nearest(name, found)}" for name in missing[:5])
        detail = f"missing {detail}"
    else:
        unknown = [name for name in dict.fromkeys(found) if name and name not in expected]
        detail = f"unknown {', '.join(unknown)}" if unknown else "repeated or in another order"
    return Fault(
        file=file,
        row=1,
        problem=f"unknown layout: found {', '.join(map(repr, found)) or 'nothing'}; "
        f"expected {', '.join(map(repr, expected))}; {detail}",
        remedy=f"fetch {what} again, or declare the layout",
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]+", " ", name.lower().replace("&", " and ")).strip()


@cache
def _areas_by_name() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for authority in register.authorities().values():
        found.setdefault(_plain(authority.name), set()).add(register.latest_code(authority.la_code))
    return found


def contradicts(authority: Authority, name: str) -> bool:
    """Whether ``name`` is the name of another authority than the code's.

    A spelling that the register does not know is no contradiction.
    """
    areas = _areas_by_name().get(_plain(name), set())
    return bool(areas) and register.latest_code(authority.la_code) not in areas


def contradiction(file: str, row: int, column: str, code: str, name: str) -> Fault:
    """The fault of a row whose code and name are those of two authorities."""
    return Fault(
        file=file,
        row=row,
        column=column,
        value=f"{code} {name}",
        problem="code and name belong to two authorities",
        remedy="fetch the file again; a sorted or shifted column parts codes from names",
    )


def missing_authorities(
    file: str, year: int, seen: Iterable[str], problem: str, column: str = ""
) -> list[Fault]:
    """One fault that names the authorities of ``year`` whose area is not among ``seen`` codes."""
    areas = {register.latest_code(code) for code in seen}
    missing = [
        authority.name
        for authority in register.authorities_in(year)
        if register.latest_code(authority.la_code) not in areas
    ]
    if not missing:
        return []
    return [
        Fault(
            file=file,
            column=column,
            value=", ".join(missing),
            problem=f"{problem} for {len(missing)} authorities",
            remedy="fetch the file again; every authority of its time has a row",
        )
    ]


def unknown_code(file: str, row: int, column: str, code: str, name: str) -> Fault:
    """The fault of a code that the register does not know."""
    names = {a.name: f"{a.la_code} (DfE {a.dfe_code})" for a in register.authorities().values()}
    near = difflib.get_close_matches(name, names, n=1)
    return Fault(
        file=file,
        row=row,
        column=column,
        value=tidy(f"{code} {name}"),
        problem="unknown authority code",
        remedy=f"{near[0]} is {names[near[0]]}" if near else "fetch the file again",
    )
