"""Answer figures of aftermath from small tables, as they are read from a run folder."""

import pandas as pd
import pytest

from reports.figures import embed, house_style
from reports.figures_aftermath import plot_cells, plot_checks, plot_cohorts, plot_event_study

ROWS = pd.DataFrame({"mean": [1.0, 4.0], "lower": [-2.0, 1.0], "upper": [3.0, 9.0]})


@pytest.mark.parametrize("number", [float, int])
def test_every_figure_is_drawn(number: type) -> None:
    path = ROWS.assign(event_time=[number(-3), number(2)], unit="per cent")
    change = ROWS.assign(event_time=[number(0), number(1)], unit="per cent")
    judged = pd.DataFrame(
        [[3.0, 0.0], [2.0, 1.0]],
        index=[number(2012), number(2013)],
        columns=[number(-1), number(1)],
    )
    with house_style():
        figures = [
            plot_event_study(path, change, pd.Series({-3: 4.0, 0: 5.0})),
            plot_checks(ROWS.assign(text=["Pretended", "Trend"]), "per cent"),
            plot_cells(judged, judged + 4),
            plot_cohorts(ROWS.assign(cohort=judged.index), "per cent"),
        ]
        for figure in figures:
            assert embed(figure, "simulated England")[0].startswith("data:image/svg+xml")
    labels = [text.get_text() for text in figures[2].axes[0].texts]
    assert "3  (7)" in labels
    assert labels.count("not estimable") == 1
    assert [tick.get_text() for tick in figures[2].axes[0].get_xticklabels()] == ["−1", "+1"]
    assert [tick.get_text() for tick in figures[2].axes[0].get_yticklabels()] == ["2012", "2013"]
