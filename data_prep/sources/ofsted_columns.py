"""What Ofsted's workbooks of local authority inspections hold: sheets, columns, grades, frameworks.

Two publications are read. *Children's social care data in England* (2023) has one sheet with two
tables, one below the other: authorities of the day, and authorities that reorganisation ended. It
prints one authority a row, by name alone, and a pair of columns (publication date, judgement) for
each framework. *Local authority inspection outcomes* (2025) has one row for each inspection under
the framework of 2018, with codes and the date on which the inspection began.

Headers are compared with runs of white space made one blank, whatever their case.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from data_prep.schema import GRADES

TITLE = "Ofsted: inspections of local authorities"
HISTORY_SHEET = r"LA_inspections_2009-(20\d\d)"
ILACS_SHEET = "ILACS_inspection_history"

LINK, NAME = "Web link", "Local authority name"
CODE, STATUS = "Local authority area code", "Local authority status"
INSPECTED, PUBLISHED = "Inspection date", "Publication date"
KIND, OVERALL = "Inspection type", "Overall effectiveness"
STATUSES = ("Current", "No longer exists")

# The third grade of the frameworks up to 2013 was "adequate"; the sheets print its successor's
# name, "requires improvement to be good", for all of them.
GRADE_OF: Mapping[str, int] = {
    "inadequate": GRADES.index("inadequate"),
    "adequate": GRADES.index("requires improvement"),
    "requires improvement": GRADES.index("requires improvement"),
    "requires improvement to be good": GRADES.index("requires improvement"),
    "good": GRADES.index("good"),
    "outstanding": GRADES.index("outstanding"),
}
# Printed where inspectors gave no judgement (services that an authority does not have).
NOT_JUDGED = ("-", "not judged")

# Visits of 2018 on that give a judgement, and those that give a letter without one.
JUDGED_KINDS = ("ilacs standard inspection", "ilacs short inspection")
UNJUDGED_KINDS = ("ilacs focused visit", "ilacs monitoring visit")

# Names that Ofsted prints otherwise than the register, beyond "&" and punctuation.
ALIASES = {
    "bedford borough": "Bedford",
    "bristol": "Bristol, City of",
    "durham": "County Durham",
    "herefordshire": "Herefordshire, County of",
    "kingston upon hull": "Kingston upon Hull, City of",
    "southend": "Southend-on-Sea",
}

# First and last day on which reports of each framework came out, a month or more spare at each end;
# a date outside them is a fault. The framework of 2018 is still in use.
REPORTED: Mapping[str, tuple[datetime.date, datetime.date]] = {
    "SLAC": (datetime.date(2009, 6, 1), datetime.date(2012, 12, 31)),
    "CPI": (datetime.date(2012, 5, 1), datetime.date(2013, 12, 31)),
    "TLAC": (datetime.date(2013, 5, 1), datetime.date(2013, 12, 31)),
    "SIF": (datetime.date(2013, 11, 1), datetime.date(2018, 12, 31)),
    "ILACS": (datetime.date(2018, 1, 1), datetime.date(2099, 12, 31)),
}


@dataclass(frozen=True)
class Judgement:
    """A pair of columns of the stacked sheet: when the report came out, and what it judged.

    ``left_out`` says why the judgement is none of the cube's; ``kind`` is the column with the type
    of inspection, where there is one.
    """

    framework: str
    date: str
    grade: str
    kind: str = ""
    reinspection: bool = False
    left_out: str = ""


@dataclass(frozen=True)
class Table:
    """One table: the judgements that are read, and the columns that are left alone."""

    title: str
    judgements: tuple[Judgement, ...]
    unused: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        """Every column, normalised."""
        used = [column for j in self.judgements for column in (j.date, j.grade, j.kind) if column]
        return frozenset(map(normalised, [NAME, *used, *self.unused]))


def normalised(text: object) -> str:
    """Header or cell with runs of white space made one blank, in small letters."""
    return " ".join(str(text).replace("\ufeff", "").split()).lower()


_SIF = "Single Inspection of LA Children's Services (SIF)"
_CHILDREN_IN_CARE_ONLY = "judges services for looked-after children alone, not safeguarding"


def _sub_judgements(prefix: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{prefix} {name}" for name in names)


_SIF_PARTS = (
    "children who need help and protection",
    "children looked after and achieving permanence",
    "CLA Sub: Adoption Performance",
    "CLA Sub: Experiences and progress of care leavers",
    "leadership, management and governance",
)
_ILACS_PARTS = (
    "impact of leaders",
    "experiences and progress of children who need help and protection",
)
_TO_2018 = (
    Judgement(
        "SLAC",
        "Safeguarding & Looked After Children (SLAC) Inspection publication date",
        "SLAC Safeguarding Overall effectiveness (OE)",
    ),
    Judgement(
        "SLAC",
        "SLAC re-inspection of Safeguarding publication date",
        "SLAC re-inspection Safeguarding OE",
        reinspection=True,
    ),
    Judgement(
        "SLAC",
        "SLAC re-inspection of services for Children Looked After publication date",
        "SLAC re-inspection of services Children Looked After OE",
        reinspection=True,
        left_out=_CHILDREN_IN_CARE_ONLY,
    ),
    Judgement(
        "CPI",
        "Child Protection Inspections (CPI) publication date",
        "CPI Overall Effectiveness (OE)",
    ),
    Judgement(
        "CPI",
        "Child Protection Re-Inspection (CPRI) publication date",
        "CPRI Overall Effectiveness (OE)",
        reinspection=True,
    ),
    Judgement(
        "TLAC",
        "Targeted Looked After Children (TLAC) inspection publication date",
        "TLAC Overall Effectiveness (OE)",
        left_out=_CHILDREN_IN_CARE_ONLY,
    ),
    Judgement("SIF", f"{_SIF} First SIF publication date", "First SIF Overall Judgement (OE)"),
    Judgement(
        "SIF",
        f"{_SIF} SIF Re-inspection publication date",
        "SIF Re-inspection Overall Judgement (OE)",
        reinspection=True,
    ),
)
_UNUSED_TO_2018 = (
    LINK,
    "LA region",
    "LA Authority Type",
    "SLAC Looked After Children Overall Effectiveness (OE)",
    *_sub_judgements("First SIF", _SIF_PARTS),
    "LSCB Overall Effectiveness",
    *_sub_judgements("SIF Re-inspection", _SIF_PARTS),
)
_IN_CARE = "experiences and progress of children in care"
_LEAVERS = "experiences and progress of care leavers"


def _ilacs(prefix: str) -> Judgement:
    return Judgement(
        "ILACS",
        f"{prefix} publication date",
        f"{prefix} overall effectiveness",
        f"{prefix} inspection type",
    )


PRESENT = Table(
    "authorities of the day",
    (*_TO_2018, _ilacs("First ILACS framework"), _ilacs("Second ILACS framework")),
    (
        *_UNUSED_TO_2018,
        *_sub_judgements("First ILACS framework", (*_ILACS_PARTS, f"{_IN_CARE} and care leavers")),
        *_sub_judgements("Second ILACS framework", (*_ILACS_PARTS, _IN_CARE, _LEAVERS)),
    ),
)
FORMER = Table(
    "authorities that no longer exist",
    (*_TO_2018, _ilacs("ILACS framework")),
    (
        *_UNUSED_TO_2018,
        *_sub_judgements("ILACS framework", (*_ILACS_PARTS, f"{_IN_CARE} and care leavers")),
    ),
)
# Columns of the history of the framework of 2018, one row an inspection.
ILACS_USED = (CODE, NAME, STATUS, INSPECTED, PUBLISHED, KIND, OVERALL)
ILACS_UNUSED = (
    LINK,
    "Ofsted region",
    "The impact of leaders on social work practice with children and families",
    "The experiences and progress of children who need help and protection",
    f"The {_IN_CARE}",
    f"The {_LEAVERS}",
)
