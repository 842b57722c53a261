"""One error for bad input: it lists every fault with file, row, column, value and remedy."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing wrong with what the user gave us. ``row`` counts lines of the file, the header
    being line 1.
    """

    problem: str
    remedy: str
    file: str = ""
    row: int | None = None
    column: str = ""
    value: str = ""

    def __str__(self) -> str:
        place = ", ".join(
            part
            for part in (
                self.file,
                f"row {self.row}" if self.row is not None else "",
                f"column {self.column!r}" if self.column else "",
                f"value {self.value!r}" if self.value else "",
            )
            if part
        )
        return f"{place + ': ' if place else ''}{self.problem}. Remedy: {self.remedy}."


class DataError(Exception):
    """Bad input. Carries every fault found, so that one reading mends them all; commands exit with
    code 2.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = len(self.faults)
        lines = [f"{count} fault{'s' if count != 1 else ''} in the input:"]
        lines += [f"  {number}. {fault}" for number, fault in enumerate(self.faults, 1)]
        super().__init__("\n".join(lines))

    @property
    def problems(self) -> str:
        """What is wrong, each problem once, in one line: where data merely lack something."""
        return "; ".join(dict.fromkeys(fault.problem for fault in self.faults))


def gather_faults(attempts: Iterable[Callable[[], object]]) -> None:
    """Make every attempt, so that one error lists the faults of all.

    Raises
    ------
    DataError
        With the faults of every attempt that failed, in their order.
    """
    faults: list[Fault] = []
    for attempt in attempts:
        try:
            attempt()
        except DataError as error:
            faults += error.faults
    if faults:
        raise DataError(faults)
