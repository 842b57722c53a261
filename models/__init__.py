"""Model definitions. The catalogue imports nothing, so that listing models needs no PyMC."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.spec import ModelSpec


@dataclass(frozen=True)
class Entry:
    """Where a model lives and what it asks."""

    module: str
    question: str


CATALOGUE: dict[str, Entry] = {
    "national_trend": Entry(
        "models.national_trend",
        "How has the national rate moved, and how do local authorities differ around it?",
    ),
    "deprivation": Entry(
        "models.deprivation",
        "How do demand and response vary with the deprivation of an area?",
    ),
    "funnel": Entry(
        "models.funnel",
        "Through which gates do referrals pass on their way to a plan, and how do gates differ "
        "between authorities?",
    ),
    "timeliness": Entry(
        "models.timeliness",
        "Does timelier work go with fewer re-referrals, within and between authorities?",
    ),
    "formula": Entry(
        "models.formula",
        "What does a formula of the user's own say, fitted beside our models?",
    ),
    "inadequacy": Entry(
        "models.inadequacy",
        "Which published indicators come before an inadequate Ofsted judgement?",
    ),
    "aftermath": Entry(
        "models.aftermath",
        "What changes in an authority in the years after an inadequate judgement?",
    ),
}


def load_model(name: str) -> "ModelSpec":
    """The spec of the model called ``name``; KeyError when there is none."""
    spec: ModelSpec = import_module(CATALOGUE[name].module).SPEC
    return spec
