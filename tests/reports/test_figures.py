"""What figures share: embedding as small pictures that a page can hold by the dozen."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from reports.figures import PAGE_FONT, _shorter, embed, house_style, new_figure
from tests.reports.page import content_of


def drawn() -> str:
    with house_style():
        figure, axes = new_figure(3.0)
        axes.plot(np.linspace(0, 1, 7) ** 2, np.linspace(1, 3, 7))
        axes.set_title("A title")
        axes.set_ylabel("Upwards")
        uri, width, height = embed(figure, "Simulated England")
    assert (width, height) == (672, 288)
    return content_of(uri)


def test_a_picture_is_whole_and_in_the_page_s_typeface() -> None:
    svg = drawn()
    root = ElementTree.fromstring(svg)
    texts = ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("}text")]
    assert {"A title", "Upwards", "Simulated England"} <= set(texts)
    # Once, and not at each label.
    assert svg.count("font-family") == 1
    assert f"text{{font-family:{PAGE_FONT}}}" in svg
    assert "<!--" not in svg


def test_labels_that_stand_upright_keep_their_turn() -> None:
    (label,) = re.findall(r"<text[^>]*>Upwards", drawn())
    assert "rotate(-90" in label


def test_no_coordinate_is_finer_than_a_thousandth_of_a_point() -> None:
    numbers = re.findall(r"\d+\.(\d+)", re.sub(r"<style.*?</style>", "", drawn(), flags=re.S))
    assert numbers
    assert max(map(len, numbers)) == 3


@pytest.mark.parametrize(
    ("outline", "shorter"),
    [
        ("M 0 410.4 \nL 504 410.400 \nL 1200 0.004 \nz\n", "M0 410.4L504 410.4L1200 0z"),
        ("M 1.239 -2.5 C 3 4 5 6 7.10 8", "M1.23 -2.5C3 4 5 6 7.1 8"),
    ],
)
def test_outlines_lose_only_what_nobody_sees(outline: str, shorter: str) -> None:
    assert _shorter(outline) == shorter


def test_noise_in_the_last_digits_of_the_layout_changes_no_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drawn(noise: float) -> str:
        def execute(engine: ConstrainedLayoutEngine, figure: Figure) -> None:
            laid_out(engine, figure)
            for axes in figure.axes:
                axes.set_position([side + noise for side in axes.get_position(True).bounds])

        monkeypatch.setattr(ConstrainedLayoutEngine, "execute", execute)
        with house_style():
            figure, axes = new_figure(ncols=2)
            axes[0].plot([0.1, 0.7], [0.2, 0.9])
            axes[1].plot([3, 4], [4, 5])
            return embed(figure, "Simulated England")[0]

    laid_out = ConstrainedLayoutEngine.execute
    assert drawn(1e-14) == drawn(0.0)
    assert drawn(1e-3) != drawn(0.0)
