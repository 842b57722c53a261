"""Numbers are rounded by their Monte Carlo error, and rules say what numbers say."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from data_prep import indicators
from reports import figures, wording
from reports.authorities import SEQUENTIAL
from reports.figures import ecdf_difference, folded, simultaneous_band


@pytest.mark.parametrize(
    ("value", "mcse", "text"),
    [
        (52.3456, 0.03, "52.3"),
        (52.3456, 0.003, "52.35"),
        (52.3456, 3.0, "50"),
        (52_345.6, 30.0, "52,300"),
        (-0.0123, 0.001, "−0.012"),
        (0.04, 0.3, "0"),
        (-0.04, 0.3, "0"),
    ],
)
def test_no_digit_below_monte_carlo_error(value: float, mcse: float, text: str) -> None:
    assert wording.number(value, mcse=mcse) == text


def test_two_figures_of_sd_are_enough() -> None:
    assert wording.number(52.3456, sd=1.2, mcse=1e-6) == "52.3"


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, "", "x"])
def test_no_number_is_a_dash(nothing: object) -> None:
    assert wording.number(nothing) == "–"
    assert wording.probability(nothing) == "–"


def test_draws_are_never_certain() -> None:
    assert [wording.probability(p) for p in (0, 0.5, 1)] == ["< 0.01", "0.50", "> 0.99"]


def test_estimate_rounds_mean_and_interval_alike() -> None:
    row = {"mean": 77.4242, "sd": 2.2, "lower": 73.81, "upper": 81.04, "unit": "per cent"}
    text = wording.estimate(row | {"ess_bulk": 1800, "ess_tail": 1500})
    assert str(text) == "77% (74 to 81)"


def test_ranks_are_whole() -> None:
    row = {"mean": 1.03, "sd": 0.17, "lower": 1.0, "upper": 1.0, "unit": "rank, 1 is the highest"}
    assert str(wording.estimate(row | {"ess_bulk": 4000, "ess_tail": 4000})) == "1 (1 to 1)"


def test_estimate_without_numbers_is_not_estimable() -> None:
    assert str(wording.estimate({"mean": math.nan, "unit": "per cent"})) == "not estimable"


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("per 10,000 children", "12 per 10,000 children"),
        ("per cent", "12%"),
        ("per cent a year", "12% a year"),
        ("rank, 1 is the highest rate", "12"),
        ("", "12"),
    ],
)
def test_unit_follows_its_number(unit: str, text: str) -> None:
    assert wording.with_unit("12", unit) == text


def test_listing_counts_what_it_leaves_out() -> None:
    assert wording.listing(["a", "b", "c"], 2) == "a, b and 1 more"
    assert wording.listing(["a", "b"]) == "a and b"
    assert wording.listing([]) == ""


@pytest.mark.parametrize(
    ("outside", "judgement"), [(10, "about as many as"), (40, "more than"), (0, "fewer than")]
)
def test_outside_is_compared_with_chance(outside: int, judgement: str) -> None:
    assert judgement in wording.outside_sentence(outside, 100, "years")


def test_simultaneous_band_holds_uniform_samples() -> None:
    """A share of about 0.9 of uniform samples stays inside; five binomial sds allowed."""
    place, lower, upper = simultaneous_band(200)
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(400):
        difference = ecdf_difference(rng.uniform(size=200), place)
        inside += bool(((difference >= lower) & (difference <= upper)).all())
    assert abs(inside / 400 - 0.9) < 5 * math.sqrt(0.9 * 0.1 / 400)


@pytest.mark.parametrize("within_sentence", [indicators.within_sentence, wording.within_sentence])
def test_a_label_within_a_sentence_keeps_names_and_acronyms(
    within_sentence: Callable[[str], str],
) -> None:
    kept = (
        "NFA share",
        "IMD 2010 score",
        "LAs with figures",
        "Ofsted grades",
        "England totals",
        "",
    )
    assert [within_sentence(label) for label in kept] == list(kept)
    assert within_sentence("Plans at 31 March") == "plans at 31 March"
    assert within_sentence("Re-referrals") == "re-referrals"
    assert within_sentence("Section 47 enquiries") == "section 47 enquiries"


def test_models_and_reports_say_a_label_alike() -> None:
    """Reports import nothing of the data's code, so that each has its own."""
    registry = [*indicators.MEASURES.values(), *indicators.INDICATORS.values()]
    for label in [*(item.label for item in registry), *indicators.NAMES, *wording.NAMES]:
        assert wording.within_sentence(label) == indicators.within_sentence(label)


def test_labels_are_folded_and_not_cut() -> None:
    assert folded("Child protection plans started", 26) == "Child protection plans\nstarted"
    assert folded("la_level_correlation, cpp_starts", 16) == "la_level_\ncorrelation,\ncpp_starts"
    assert folded("short", 26) == "short"
    cut = folded("one two three four five six seven", 9, lines=2)
    assert cut.count("\n") == 1
    assert cut.endswith("…")
    assert all(len(line) <= 9 for line in cut.split("\n"))


def test_words_stand_out_from_what_lies_behind_them() -> None:
    for colour in (figures.INK, figures.SOFT, figures.ACCENT, figures.OBSERVED):
        assert figures.contrast(colour, "white") >= 4.5
    assert figures.contrast("black", "white") == pytest.approx(21)
    for colours in (SEQUENTIAL, figures.DIVERGING):
        for at in np.linspace(0, 1, 101):
            assert figures.contrast(figures.readable_on(colours(at)), colours(at)) >= 4.5
    for shade in np.linspace(0, 1, 101):
        grey = (shade, shade, shade)
        assert figures.contrast(figures.readable_on(grey), grey) >= 4.5
