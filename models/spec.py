"""What a model file declares: options, priors, estimands, blocks, and the spec that ties them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from data_prep.errors import DataError, Fault
from models.priors import Prior

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr


class Options(BaseModel):
    """Options of a model: every field a closed set or a bounded value, each with a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True)
class Estimand:
    """A named quantity that answers, on a scale the reader uses.

    ``about`` says whether it is about the expected rate or the realised count, and about these LAs
    or a population of LAs. ``coordinates`` name the dimensions that it keeps.
    """

    name: str
    label: str
    unit: str
    definition: str
    about: str
    coordinates: tuple[str, ...] = ()
    headline: bool = False


@dataclass(frozen=True)
class NotEstimable:
    """An estimand that these data cannot give, and why."""

    estimand: str
    reason: str


@dataclass(frozen=True)
class Block:
    """Variables of a model that belong together when its computation is judged."""

    name: str
    variables: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What `estimands` returns.

    ``values`` maps an estimand's name to draws with the dimensions ``chain, draw`` and the
    estimand's coordinates, or, for quantities that are themselves summaries of the draws, the
    coordinates alone.
    """

    values: Mapping[str, "xr.DataArray"]
    not_estimable: Sequence[NotEstimable] = ()
    regime_sensitivity: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class ModelSpec:
    """A model, ready to be configured, fitted and reported.

    A model whose priors depend on its options and data leaves ``priors`` and ``hyperparameters``
    empty and gives ``declare_priors``, from both to its priors by name: all of them are then
    hyperparameters. Studies that draw worlds from the priors refuse it.
    """

    name: str
    title: str
    question: str
    options: type[Options]
    priors: Mapping[str, Prior]
    observe: Callable[..., Any]
    build: Callable[..., "pm.Model"]
    estimands: Callable[..., Answer]
    true_estimands: Callable[..., dict[str, "xr.DataArray"]]
    declared_estimands: Callable[..., tuple[Estimand, ...]]
    coords: Callable[..., dict[str, list]]
    constant_data: Callable[..., "xr.Dataset"]
    describe: Callable[..., dict[str, Any]]
    exposure: Callable[..., dict[str, Any]]
    equations: Callable[..., list[str]]
    answer: Callable[..., str]
    assumptions: tuple[str, ...]
    cannot_say: tuple[str, ...]
    blocks: Callable[..., tuple[Block, ...]]
    priors_used: Callable[..., tuple[str, ...]]
    hyperparameters: tuple[str, ...]
    figures: tuple[str, ...] = ()
    # What a comparison of variants leaves out at a time: authorities for a question about
    # differences between them, the last year for one about time, cells for neither; inspections
    # where each observation is one.
    holdout: Literal["la", "year", "cell", "inspection"] = "la"
    notes: Callable[..., list[str]] = field(default=lambda *_: [])
    declare_priors: Callable[..., dict[str, Prior]] | None = None

    def check_study(self) -> None:
        """Refuse studies of recovery and calibration where there is no truth to recover.

        Raises
        ------
        DataError
            For a model whose priors follow its data.
        """
        if self.declare_priors is not None:
            raise DataError(
                [
                    Fault(
                        column="model",
                        value=self.name,
                        problem="recovery and calibration are not assessed: the model has no "
                        "declared truth, and its priors follow the data",
                        remedy="study one of the other models",
                    )
                ]
            )
