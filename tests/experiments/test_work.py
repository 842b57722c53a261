"""How much work a fit is, counted and not timed: the same on a busy machine as on an idle one.

A count that grows is time that every fit loses. Where more work is wanted, the number here is
raised with the change that wants it.
"""

import gc
import json
import logging
import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from numba.core.ccallback import CFunc
from pytensor.compile.maker import FunctionMaker

from data_prep.schema import save_cube
from data_prep.simulated import SimulationOptions, build_simulated
from experiments import sampling, store
from experiments.config import load_experiment
from experiments.fit import fit, prepare
from reports import pages
from reports.run_report import render_run
from tests.factories import SMALLEST_FIT
from tests.processes import printed_by


@dataclass
class Worked:
    """Counts by name, and the run that they were counted in."""

    counts: Counter[str]
    run: Path


def draws_followed(patch: pytest.MonkeyPatch) -> list[weakref.ref[Any]]:
    """What a fit samples from here on, held by nobody here."""
    followed: list[weakref.ref[Any]] = []
    sample = sampling.sample

    def followed_sample(*arguments: Any, **options: Any) -> Any:
        posterior, statistics = sample(*arguments, **options)
        followed.extend(weakref.ref(array.values) for array in posterior.values())
        return posterior, statistics

    patch.setattr(sampling, "sample", followed_sample)
    return followed


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worked]:
    counts: Counter[str] = Counter()

    def count(patch: pytest.MonkeyPatch, owner: Any, name: str, as_name: str) -> None:
        call = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            counts[as_name] += 1
            return call(*arguments, **options)

        patch.setattr(owner, name, counted)

    folder = tmp_path_factory.mktemp("results")
    cube = build_simulated(
        SimulationOptions(name="small", las=12, first_year=2010, last_year=2014, seed=3)
    )
    save_cube(cube, folder / "cubes" / "small.nc")
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "RESULTS", folder)
        count(patch, FunctionMaker, "__init__", "functions")
        count(patch, CFunc, "compile", "native functions")
        count(patch, pages, "embed", "pictures")
        count(patch, Figure, "draw", "figures drawn")
        drawn = draws_followed(patch)
        prepared = prepare(load_experiment("national_trend", None, SMALLEST_FIT, "small"))
        # No look for rubbish, which would let go what the fit holds on to.
        gc.disable()
        try:
            run = fit(prepared, "a test")
            held = sum(array() is not None for array in drawn)
        finally:
            gc.enable()
        counts |= {"arrays of draws": len(drawn), "arrays of draws held after the fit": held}
        render_run(run)
        yield Worked(counts, run)
    root.handlers, root.level = kept, level


def test_every_picture_is_drawn_once(worked: Worked) -> None:
    assert worked.counts["figures drawn"] == worked.counts["pictures"] > 10


def test_no_function_is_compiled_twice(worked: Worked) -> None:
    # PyTensor's: nutpie's for shapes, starting points, log density and draws, and ours for the
    # prior, for densities of observations and parameters together, and for predictions.
    assert worked.counts["functions"] <= 8
    # Those that the sampler calls: log density, and draws.
    assert worked.counts["native functions"] <= 2


def test_a_fit_lets_its_draws_go_by_itself(worked: Worked) -> None:
    assert worked.counts["arrays of draws"] > 5
    assert worked.counts["arrays of draws held after the fit"] == 0


def test_gradients_stay_within_a_band(worked: Worked) -> None:
    provenance = json.loads((worked.run / "provenance.json").read_text())
    per_draw = provenance["gradient_evaluations"] / 400
    # Trajectories have 1, 3, 7, 15 ... steps, here 6.8 on the average. A form that samples worse
    # doubles them; fewer would be another model.
    assert 4 <= per_draw <= 10


def test_help_needs_no_library() -> None:
    code = (
        "import sys\nfrom experiments.__main__ import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(len(sys.modules), 'numpy' in sys.modules)"
    )
    modules, numpy = printed_by(code)[-1].split()
    # 123 on Python 3.13, nearly all of the standard library.
    assert (int(modules) < 180, numpy) == (True, "False")


def test_sampling_leaves_plotting_to_the_report() -> None:
    code = (
        "import sys\nimport pymc as pm\nfrom experiments import sampling\n"
        "from experiments.config import SamplerConfig\n"
        "with pm.Model() as model:\n    pm.Normal('x')\n"
        "few = SamplerConfig(draws=100, tune=100, chains=2)\n"
        "draws, _ = sampling.sample(sampling.compile_model(model), few, 1, 2)\n"
        "plotting = {'arviz', 'arviz_plots', 'arviz_stats', 'matplotlib.pyplot', 'scipy.stats'}\n"
        "print('PLOTTING', draws['x'].shape, sorted(plotting & set(sys.modules)))\n"
        "import arviz\nprint('WHOLE', arviz.__name__, hasattr(arviz, 'plot_trace'))"
    )
    assert printed_by(code)[-2:] == ["PLOTTING (2, 100) []", "WHOLE arviz True"]
