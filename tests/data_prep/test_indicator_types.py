"""Every indicator has one type, and counts of types follow the sorting."""

import math

import numpy as np
import pytest

from data_prep.indicator_types import (
    DISPUTED,
    INDICATOR_TYPES,
    count_types,
    published_indicators,
    readings,
    share_of_quality,
)
from data_prep.indicators import INDICATORS
from data_prep.simulated import build_simulated


def test_every_indicator_has_one_type() -> None:
    assert set(INDICATOR_TYPES) == set(INDICATORS)
    assert {name for names, _ in DISPUTED.values() for name in names} <= set(INDICATORS)


def test_every_reading_is_another_sorting() -> None:
    found = readings()
    assert found[0] == INDICATOR_TYPES
    assert len(found) == 2 ** len(DISPUTED) == len({tuple(one.values()) for one in found})


def test_shares_are_of_quality_alone() -> None:
    names = ["ia_10_days_share", "ca_35_days_share", "rereferral_share", "cin_rate", "agency_share"]
    counts = count_types(names)
    assert counts == {"timeliness": 2, "outcome": 1, "activity": 1, "workforce": 1}
    assert share_of_quality(counts, "timeliness") == pytest.approx(200 / 3)
    assert math.isnan(share_of_quality(count_types(["cin_rate"]), "timeliness"))
    assert count_types(["ia_7_days_share"], {"ia_7_days_share": None})["timeliness"] == 0


def test_an_indicator_counts_where_some_authority_has_a_figure() -> None:
    cube = build_simulated()["cube"].to_dataset()
    found = published_indicators(cube)
    assert set(found) <= set(INDICATORS)
    assert "rereferral_share" in found
    for end in ("", "_lower", "_upper"):
        cube[f"rereferrals{end}"] = cube[f"rereferrals{end}"] * np.nan
    assert "rereferral_share" not in published_indicators(cube)
    assert "referral_rate" not in published_indicators(cube.drop_vars("referrals"))
