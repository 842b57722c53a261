"""Configs: what is read, merged and overridden, and every fault told at once with its place."""

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w

from data_prep.errors import DataError, Fault
from experiments import config
from experiments.config import list_experiments, load_experiment
from models import CATALOGUE

MODEL = "national_trend"
NAMES = [path.stem for path in sorted(config.CONFIGS.glob("*.toml"))]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Write configs into a folder of their own, which holds the real base to begin with."""
    shutil.copy(config.CONFIGS / f"{MODEL}.toml", tmp_path)
    monkeypatch.setattr(config, "CONFIGS", tmp_path)

    def put(name: str, text: str) -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        return path

    return put


def faults_of(*sets: str, variant: str | None = None, model: str = MODEL) -> list[Fault]:
    with pytest.raises(DataError) as caught:
        load_experiment(model, variant, sets)
    return list(caught.value.faults)


def fault_at(column: str, faults: list[Fault]) -> Fault:
    (found,) = [fault for fault in faults if fault.column == column]
    return found


# ------------------------------------------------------------------------------ what is read


@pytest.mark.parametrize("name", NAMES)
def test_every_config_resolves(name: str) -> None:
    model, _, variant = name.partition("--")
    experiment = load_experiment(model, variant or None)
    assert experiment.name == name
    assert experiment.config.question
    if experiment.spec.declare_priors is None:
        assert set(experiment.resolved()["priors"]) == set(experiment.spec.priors)
    assert experiment.resolved()["options"].keys() == experiment.spec.options.model_fields.keys()


def test_every_model_and_variant_is_listed_with_its_question() -> None:
    listed = dict(list_experiments())
    assert list(listed) == sorted(NAMES, key=lambda name: (name.split("--")[0], name))
    assert all(listed[name] for name in CATALOGUE)


@pytest.mark.parametrize(
    ("text", "section", "key", "value"),
    [
        ("sampler.draws=250", "sampler", "draws", 250),
        ("sampler.target_accept= 0.95", "sampler", "target_accept", 0.95),
        ("gates.ess=100", "gates", "ess", 100.0),
        ("data.years=2010-2014", "data", "years", (2010, 2014)),
        ("data.years=2012", "data", "years", (2012, 2012)),
        ("data.years= 2010 - 2014 ", "data", "years", (2010, 2014)),
        ("data.exclude=E06000001, E06000002,", "data", "exclude", ("E06000001", "E06000002")),
        ("data.cube=other", "data", "cube", "other"),
        ("options.knot=2011", "options", "knot", 2011),
        ("options.national_totals=false", "options", "national_totals", False),
        ("options.outcome=section47", "options", "outcome", "section47"),
    ],
)
def test_set_is_parsed_by_the_type_of_its_field(
    text: str, section: str, key: str, value: object
) -> None:
    experiment = load_experiment(MODEL, sets=[text])
    holder = experiment.options if section == "options" else getattr(experiment.config, section)
    found = getattr(holder, key)
    assert found == value
    assert type(found) is type(value)


def test_set_of_one_prior_parameter_keeps_the_rest_and_says_where_it_came_from() -> None:
    experiment = load_experiment(MODEL, sets=["priors.national_level.parameters.sigma=2"])
    own, prior = experiment.spec.priors["national_level"], experiment.priors["national_level"]
    assert prior.parameters == {**own.parameters, "sigma": 2.0}
    assert prior.distribution == own.distribution
    assert prior.reason == config.ON_COMMAND_LINE
    assert experiment.overridden == {"national_level"}
    assert experiment.priors["la_level_sd"] == experiment.spec.priors["la_level_sd"]


def test_set_of_another_distribution_drops_the_parameters_of_the_first() -> None:
    sets = ["priors.la_level_sd.distribution=Exponential", "priors.la_level_sd.parameters.lam=2"]
    assert load_experiment(MODEL, sets=sets).priors["la_level_sd"].parameters == {"lam": 2.0}


def test_the_last_set_wins_and_cube_has_its_own_argument() -> None:
    experiment = load_experiment(
        MODEL, sets=["sampler.seed=1", "sampler.seed=2", "data.cube=first"], cube="second"
    )
    assert experiment.config.sampler.seed == 2
    assert experiment.config.data.cube == "second"


def test_a_variant_changes_only_what_it_shows(write: Callable[[str, str], Path]) -> None:
    write(
        f"{MODEL}--line",
        '[options]\ntrend = "linear"\n[priors.la_level_sd]\nreason = "wider"\n'
        "[priors.la_level_sd.parameters]\nsigma = 1.0\n",
    )
    base, variant = load_experiment(MODEL), load_experiment(MODEL, "line")
    before, after = base.resolved(), variant.resolved()
    assert variant.name == f"{MODEL}--line"
    assert after["options"] == {**before["options"], "trend": "linear"}
    changed = after["priors"].pop("la_level_sd")
    assert changed["parameters"] == {"sigma": 1.0}
    assert "HalfNormal(sigma=0.5)" in changed["meaning"]
    assert after["priors"] == {k: v for k, v in before["priors"].items() if k != "la_level_sd"}
    rest = {key for key in before if key not in ("options", "priors")}
    assert {key: after[key] for key in rest} == {key: before[key] for key in rest}


@pytest.mark.parametrize(
    "sets",
    [
        [],
        ["data.years=2010-2014", "data.exclude=E06000001", "options.trend=free"],
        ["priors.la_level_sd.parameters.sigma=0.7", "gates.r_hat=1.05", "sampler.seed=5"],
    ],
)
def test_the_resolved_config_is_toml_that_resolves_to_itself(
    sets: list[str], write: Callable[[str, str], Path]
) -> None:
    resolved = load_experiment(MODEL, sets=sets).resolved()
    text = tomli_w.dumps(resolved)
    assert tomllib.loads(text) == resolved
    write(MODEL, text)
    assert load_experiment(MODEL).resolved() == resolved


# ----------------------------------------------------------------------------------- faults


def test_every_fault_is_told_at_once_with_file_row_path_value_and_remedy(
    write: Callable[[str, str], Path],
) -> None:
    write(
        f"{MODEL}--bad",
        "\n".join(
            [
                "colour = 1",  # 1
                "[sampler]",  # 2
                'draws = "many"',  # 3
                "chains = 1",  # 4
                "sead = 1",  # 5
                "[data]",  # 6
                'years = "2014-2010"',  # 7
                "[options]",  # 8
                'trend = "wavy"',  # 9
                'outcome = "hats"',  # 10
                "not = 2008",  # 11
                "[priors.la_levl_sd]",  # 12
                'reason = "typing error"',  # 13
                "[priors.la_slope_sd]",  # 14
                'reason = "negative"',  # 15
                "parameters = { sigma = -1.0 }",  # 16
                "[priors.trend_slope]",  # 17
                "parameters = { sigma = 1.0 }",  # 18
            ]
        ),
    )
    faults = faults_of(variant="bad")
    places = {fault.column: (fault.file, fault.row, fault.value) for fault in faults}
    file = f"{MODEL}--bad.toml"
    assert places == {
        "colour": (file, 1, "1"),
        "sampler.draws": (file, 3, "many"),
        "sampler.chains": (file, 4, "1"),
        "sampler.sead": (file, 5, "1"),
        "data.years": (file, 7, "2014-2010"),
        "options.trend": (file, 9, "wavy"),
        "options.outcome": (file, 10, "hats"),
        "options.not": (file, 11, "2008"),
        "priors.la_levl_sd": (file, 12, ""),
        "priors.la_slope_sd": (file, 14, "HalfNormal(sigma=-1.0)"),
        "priors.trend_slope.reason": (file, 17, ""),
    }
    assert len(faults) == len(places)
    assert all(fault.problem and fault.remedy for fault in faults)
    assert "did you mean seed?" in fault_at("sampler.sead", faults).remedy
    assert "did you mean la_level_sd?" in fault_at("priors.la_levl_sd", faults).remedy
    assert "did you mean knot?" in fault_at("options.not", faults).remedy
    assert "'random_walk'" in fault_at("options.trend", faults).problem
    assert "cpp_starts" in fault_at("options.outcome", faults).problem
    assert "sigma > 0" in fault_at("priors.la_slope_sd", faults).problem
    assert "backwards" in fault_at("data.years", faults).problem


@pytest.mark.parametrize(
    ("text", "column", "value"),
    [
        ("options.trend=wavy", "options.trend", "wavy"),
        ("sampler.draws=1e9", "sampler.draws", "1e9"),
        ("sampler.draws=1000000000", "sampler.draws", "1000000000"),
        ("data.years=20-30", "data.years", "20-30"),
        ("gates.r_hat=1.0", "gates.r_hat", "1.0"),
        ("options.knot=1066", "options.knot", "1066"),
        ("options.national_totals=perhaps", "options.national_totals", "perhaps"),
        ("sampler.sead=1", "sampler.sead", "1"),
        ("priors.nobody.parameters.sigma=1", "priors.nobody", ""),
        (
            "priors.la_level_sd.parameters.sigma=-1",
            "priors.la_level_sd",
            "HalfNormal(sigma=-1.0)",
        ),
        ("priors.la_level_sd.distribution=Cauchy", "priors.la_level_sd", "Cauchy()"),
        (
            "priors.la_level_sd.parameters.rate=1",
            "priors.la_level_sd",
            "HalfNormal(sigma=0.5, rate=1.0)",
        ),
        (
            "priors.la_level_sd.parameters.sigma=inf",
            "priors.la_level_sd",
            "HalfNormal(sigma=inf)",
        ),
    ],
)
def test_a_fault_of_set_names_set_and_no_file(text: str, column: str, value: str) -> None:
    (fault,) = faults_of(text)
    assert (fault.file, fault.row) == ("--set", None)
    assert (fault.column, fault.value) == (column, value)


def test_a_fault_in_the_file_is_not_laid_on_a_set_beside_it(
    write: Callable[[str, str], Path],
) -> None:
    write(f"{MODEL}--bad", '[data]\ncube = "x"\nyears = "2014-2010"\n')
    with pytest.raises(DataError) as caught:
        load_experiment(MODEL, "bad", ["data.cube=other", "sampler.draws=200"])
    (fault,) = caught.value.faults
    assert (fault.file, fault.row, fault.column) == (f"{MODEL}--bad.toml", 3, "data.years")


def test_prior_faults_are_told_beside_the_faults_of_other_sections() -> None:
    faults = faults_of(
        "sampler.draws=few", "priors.la_level_sd.parameters.sigma=-1", "priors.nobody.reason=x"
    )
    assert {fault.column for fault in faults} == {
        "sampler.draws",
        "priors.la_level_sd",
        "priors.nobody",
    }


@pytest.mark.parametrize(
    "text", ["", "=", "options.trend", "=linear", "trend=linear", "options.=x", ".trend=x"]
)
def test_a_malformed_set_is_shown_as_given(text: str) -> None:
    (fault,) = faults_of(text)
    assert (fault.column, fault.value) == ("--set", text)
    assert "--set options.outcome=section47" in fault.remedy


def test_a_set_below_a_value_is_refused() -> None:
    (fault,) = faults_of("data.cube.name=x")
    assert "not a section" in fault.problem


@pytest.mark.parametrize(
    ("text", "row"), [('question = "x"\nmodel = national_trend\n', 2), ("[options\n", 1)]
)
def test_bad_toml_names_file_and_row(
    text: str, row: int, write: Callable[[str, str], Path]
) -> None:
    write(f"{MODEL}--torn", text)
    (fault,) = faults_of(variant="torn")
    assert (fault.file, fault.row) == (f"{MODEL}--torn.toml", row)
    with pytest.raises(DataError, match="torn"):
        list_experiments()


def test_a_section_that_is_no_table_and_a_missing_question(
    write: Callable[[str, str], Path],
) -> None:
    write(MODEL, f'model = "{MODEL}"\ndata = 3\n')
    faults = faults_of()
    assert fault_at("data", faults).row == 2
    assert fault_at("question", faults).file == f"{MODEL}.toml"
    with pytest.raises(DataError):
        load_experiment(MODEL, cube="other")


def test_a_file_named_after_another_model_is_refused(write: Callable[[str, str], Path]) -> None:
    write(MODEL, 'question = "x"\nmodel = "timeliness"\n')
    (fault,) = faults_of()
    assert (fault.column, fault.value, fault.row) == ("model", "timeliness", 2)


def test_unknown_variant_lists_the_known_ones(write: Callable[[str, str], Path]) -> None:
    write(f"{MODEL}--line", '[options]\ntrend = "linear"\n')
    (fault,) = faults_of(variant="curve")
    assert "'curve'" in fault.problem
    assert "line" in fault.remedy


@pytest.mark.parametrize("model", ["", "nobody"])
def test_unknown_model_lists_every_model(model: str) -> None:
    (fault,) = faults_of(model=model)
    assert all(name in fault.remedy for name in CATALOGUE)


def test_another_outcome_does_not_keep_the_question_about_the_first() -> None:
    base = load_experiment("national_trend")
    other = load_experiment("national_trend", sets=["options.outcome=section47"])
    assert "plans" in base.config.question
    assert other.config.question == CATALOGUE["national_trend"].question
