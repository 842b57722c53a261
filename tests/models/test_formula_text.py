"""Formulas as text: what they say, and that nothing else is ever read or run."""

from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.formula_text import (
    CALLS,
    LONGEST,
    FormulaError,
    known_names,
    parse,
    read,
    slug,
)


def refused(text: str) -> FormulaError:
    with pytest.raises(FormulaError) as caught:
        parse(text)
    return caught.value


# --------------------------------------------------------------------------------- what is said


def test_shares_terms_and_levels() -> None:
    found = parse("p(rereferrals, referrals) ~ scale(timeliness) + (1|la)")
    assert (found.outcome, found.whole, found.call) == ("rereferrals", "referrals", "p")
    assert found.terms == {"scale(timeliness)": "scale_timeliness"}
    (group,) = found.groups
    assert (group.name, group.term, group.variable, group.sd) == (
        "1|la",
        None,
        "la_level",
        "la_level_sd",
    )
    assert found.has_intercept
    assert found.names == ("timeliness", "la")


def test_years_are_numbers_and_factors_and_levels() -> None:
    found = parse("cpp_starts ~ year + factor(year) + C(year):scale(imd) + (year|la) + (1|year)")
    assert list(found.terms) == ["year", "year_factor", "year_factor:scale(imd)"]
    assert found.factors == ("year_factor", "year_factor:scale(imd)")
    assert [group.variable for group in found.groups] == ["la_level", "la_year", "year_level"]
    assert [group.factor for group in found.groups] == ["la", "la", "year_factor"]


def test_the_year_before_is_a_name_of_its_own_and_reads_as_written() -> None:
    found = parse("section47 ~ scale(log(lag(referral_rate)))")
    assert found.names == ("referral_rate_year_before",)
    assert [read(term) for term in found.terms] == ["scale(log(lag(referral_rate)))"]


def test_offset_transformed_outcome_and_no_intercept() -> None:
    found = parse("cpp_starts ~ 0 + imd + offset(log(population))")
    assert found.offset == "population_0_17"
    assert not found.has_intercept
    assert list(found.terms) == ["imd"]
    assert parse("log(cpp_rate) ~ region").call == "log"


def test_spaces_make_no_difference() -> None:
    tight = parse("p(rereferrals,referrals)~scale(timeliness)+(1|la)")
    assert tight == parse("p( rereferrals ,referrals )  ~ scale( timeliness ) +( 1 | la )")


def test_variables_of_different_terms_have_different_names() -> None:
    found = parse("cpp_starts ~ imd:year + I(imd*year) + I(imd/year) + (year|la) + la_type")
    names = [*found.terms.values(), *(g.variable for g in found.groups)]
    assert len(set(names)) == len(names)
    assert slug("scale(imd):year") == "scale_imd_year"


# ------------------------------------------------------------------------------- what is refused

HOSTILE = [
    "__import__('os').system('touch owned')",
    "cpp_starts ~ __import__(imd)",
    "cpp_starts ~ os.system(imd)",
    "cpp_starts ~ np.load(imd)",
    "cpp_starts ~ imd.__class__",
    "cpp_starts ~ imd.real",
    "cpp_starts ~ eval(imd)",
    "cpp_starts ~ open(imd)",
    "cpp_starts ~ getattr(imd, year)",
    "cpp_starts ~ I(exec(imd))",
    "cpp_starts ~ {imd}",
    "cpp_starts ~ imd[0]",
    "cpp_starts ~ `imd`",
    'cpp_starts ~ C("imd")',
    "cpp_starts ~ I(imd)(year)",
    "cpp_starts ~ imd(year)",
    "cpp_starts ~ data",
    "cpp_starts ~ self",
    "cpp_starts ~ True",
    "cpp_starts ~ I(imd == year)",
    "cpp_starts ~ I(imd % year)",
    "cpp_starts ~ poly(imd, degree=2)",
    "cpp_starts ~ censored(imd)",
    "cpp_starts ~ hsgp(imd, 10)",
    "cpp_starts ~ imd\n+ year",
    "cpp_starts ~ <script>alert(1)</script>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_but_the_listed_words_and_signs_is_read(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Refused before the library that looks names up in Python has seen it.
    library = import_module("formulae.model_description")
    ran: list[str] = []
    monkeypatch.setattr(library, "model_description", ran.append)
    monkeypatch.chdir(tmp_path)
    assert refused(text).remedy
    assert ran == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "cpp_starts ~ imd**9",
        "cpp_starts ~ I(9**9)",
        "cpp_starts ~ I(imd**2**3)",
        "cpp_starts ~ poly(imd, 99999)",
        "cpp_starts ~ " + "(" * 12 + "imd" + ")" * 12,
        "cpp_starts ~ imd*idaci*year*region*la_type*timeliness",
        "cpp_starts ~ " + "imd + " * LONGEST + "imd",
        "cpp_starts ~ " + " + ".join(known_names()[8:45]),
    ],
)
def test_what_could_take_for_ever_is_refused_at_once(text: str) -> None:
    assert refused(text).remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p(rereferrals, referrals) ~ timelines", "did you mean timeliness"),
        ("cpp_starts ~ inverse(imd)", "no call 'inverse'"),
        ("cpp_starts ~ imd +", "not a formula"),
        ("cpp_starts ~ (1|la", "bracket is not closed"),
        ("cpp_starts ~ imd|la", "outside of brackets"),
        ("cpp_starts", "one ~"),
        ("cpp_starts ~ imd ~ year", "more than one"),
        ("~ imd", "not a formula"),
        ("", "empty"),
        ("cpp_starts ~ log()", "takes one argument"),
        ("cpp_starts ~ poly(year)", "takes two arguments"),
        ("cpp_starts ~ log(region)", "no number"),
        ("cpp_starts ~ C(imd)", "not a factor"),
        ("cpp_starts ~ lag(imd)", "lag(...) takes one name"),
        ("cpp_starts ~ (1|la:region)", "vary over"),
        ("cpp_starts ~ (region|la)", "effects of a factor"),
        ("cpp_starts ~ la", "authority by itself"),
        ("cpp_starts ~ cpp_start_rate", "made of the outcome"),
        ("cpp_starts ~ p(rereferrals, referrals)", "on the left alone"),
        ("cpp_starts ~ offset(imd)", "offset"),
        ("p(cpp_starts, referrals) ~ imd", "no true part"),
        ("region ~ imd", "no outcome"),
        ("cpp_starts ~ 3 + imd", "is no term"),
    ],
)
def test_each_fault_says_what_is_wrong(text: str, words: str) -> None:
    fault = refused(text)
    assert words in fault.problem
    assert fault.remedy


def test_all_faults_of_a_formula_are_told_at_once_with_the_known_names() -> None:
    fault = refused("cpp_starts ~ timelines + depravation + square(imd)")
    assert all(word in fault.problem for word in ("timelines", "depravation", "square"))
    assert all(name in fault.remedy for name in ("timeliness", "imd", "scale"))


@given(st.text(alphabet="abimdlx_.|~+-*/():0123, ", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse(f"cpp_starts ~ {text}")
    except FormulaError:
        return
    assert set(found.names) <= {*known_names(), *(f"{n}_year_before" for n in known_names())}


def test_every_listed_call_is_understood() -> None:
    examples = {
        "poly": "cpp_starts ~ poly(year, 2)",
        "bs": "cpp_starts ~ bs(year, 4)",
        "lag": "cpp_starts ~ lag(referrals)",
        "offset": "cpp_starts ~ 1 + offset(log(population))",
        **dict.fromkeys(("C", "factor"), "cpp_starts ~ C(region) + factor(region)"),
    }
    for call in CALLS:
        usual = f"cpp_starts ~ {call}(imd)"
        if call in ("p", "prop", "proportion"):
            usual = f"{call}(rereferrals, referrals) ~ imd"
        assert parse(examples.get(call, usual)).terms or call == "offset"
