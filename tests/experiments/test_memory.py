"""Whether a fit finds room: what is expected of a model, and what is said where there is none."""

from types import SimpleNamespace

import numpy as np
import psutil
import pymc as pm
import pytest

from data_prep.errors import DataError
from experiments import memory
from experiments.config import SamplerConfig

GIB = 2**30


def model_of(cells: int) -> pm.Model:
    with pm.Model(coords={"obs": range(cells), "la": range(100)}) as model:
        level = pm.Normal("level", 0, 1, dims="la")
        pm.Deterministic("sum", level.sum())
        pm.Normal("y", level[np.arange(cells) % 100], 1, observed=np.zeros(cells), dims="obs")
    return model


def have(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))


def test_a_fit_with_room_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch, 8 * GIB)
    memory.require_memory(model_of(1000), SamplerConfig())


def test_more_draws_and_cells_need_more() -> None:
    sizes = [memory.expected_bytes(100, n, d) for n, d in ((1e3, 1e3), (1e4, 1e3), (1e4, 1e4))]
    assert sizes == sorted(sizes)
    assert sizes[0] > 0.5 * GIB, "libraries and compiled code alone"


def test_data_too_large_are_refused_with_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    config, cells = SamplerConfig(draws=2000, chains=4), 200_000
    have(monkeypatch, 8 * GIB)
    model = model_of(cells)
    with pytest.raises(DataError) as error:
        memory.require_memory(model, config)
    said = str(error.value)
    assert "200,000 cells, 101 scalars, 4 chains of 2,000 draws" in said
    assert "8.0 GiB are free" in said
    assert "fewer years, authorities or outcomes" in said
    # What it recommends fits.
    draws = int(said.split("sampler.draws=")[1].split()[0])
    assert draws < 2000
    memory.require_memory(model, config.model_copy(update={"draws": draws}))


def test_fewer_draws_are_no_remedy_where_they_would_be_too_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    have(monkeypatch, 1 * GIB)
    with pytest.raises(DataError) as error:
        memory.require_memory(model_of(200_000), SamplerConfig())
    assert "sampler.draws" not in str(error.value)
