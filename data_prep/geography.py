"""Stable units: the smallest areas whose counts exist in every year of a window.

Authorities that split or merged within the window are joined (connected components of the
predecessor graph), so that no count is apportioned by guess. A unit of one area carries the latest
code of that area; a joined unit carries ``J`` and the last eight characters of its lowest member
code.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from data_prep import register
from data_prep.errors import DataError, Fault
from data_prep.register import Authority


@dataclass(frozen=True)
class Unit:
    """An area with the same boundary in all years of a window, and the authorities that held it."""

    code: str
    name: str
    region: str
    la_type: str
    members: tuple[Authority, ...]

    def members_in(self, year: int) -> tuple[Authority, ...]:
        """Those authorities whose counts add up to the unit's count in ``year``."""
        return tuple(member for member in self.members if member.exists_in(year))


def check_window(first_year: int, last_year: int) -> None:
    """Refuse a window of years that the register does not cover.

    Raises
    ------
    DataError
        When the window is empty or reaches outside the register's years.
    """
    if register.FIRST_YEAR <= first_year <= last_year <= register.LAST_YEAR:
        return
    raise DataError(
        [
            Fault(
                column="years",
                value=f"{first_year}-{last_year}",
                problem="no such window of financial years",
                remedy=(
                    f"give first and last year, both within {register.FIRST_YEAR}-"
                    f"{register.LAST_YEAR}, the first not after the last"
                ),
            )
        ]
    )


def _components(codes: Iterable[str], links: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Connected components, each sorted, in the order of their first codes."""
    parent = {code: code for code in codes}

    def root(code: str) -> str:
        while parent[code] != code:
            code = parent[code]
        return code

    for one, other in links:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    groups: dict[str, list[str]] = {}
    for code in sorted(parent):
        groups.setdefault(root(code), []).append(code)
    return [groups[key] for key in sorted(groups)]


def stable_units(first_year: int, last_year: int) -> list[Unit]:
    """The stable units of a window of financial years, in the order of their codes."""
    check_window(first_year, last_year)
    present = {
        code: authority
        for code, authority in register.authorities().items()
        if authority.from_year <= last_year and authority.to_year >= first_year
    }
    links = [
        (link.old, link.new)
        for link in register.SUCCESSIONS
        if link.old in present and link.new in present
    ]
    units = []
    for codes in _components(present, links):
        members = tuple(present[code] for code in codes)
        areas = {register.latest_code(code) for code in codes}
        if len(areas) == 1:
            code, name = areas.pop(), members[-1].name
        else:
            code = f"J{codes[0][1:]}"
            name = " + ".join(member.name for member in members if member.exists_in(last_year))
        units.append(
            Unit(
                code=code,
                name=name,
                region=_joined(member.region for member in members),
                la_type=_joined(member.la_type for member in members),
                members=members,
            )
        )
    return sorted(units, key=lambda unit: unit.code)


def _joined(values: Iterable[str]) -> str:
    return " + ".join(sorted(set(values)))
