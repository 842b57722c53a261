"""What figures share: embedding as small pictures that a page can hold by the dozen."""

import base64
import re
from xml.etree import ElementTree

import numpy as np

from reports.figures import PAGE_FONT, embed, house_style, new_figure


def drawn() -> str:
    with house_style():
        figure, axes = new_figure(3.0)
        axes.plot(np.linspace(0, 1, 7) ** 2, np.linspace(1, 3, 7))
        axes.set_title("A title")
        axes.set_ylabel("Upwards")
        uri, width, height = embed(figure, "Simulated England")
    assert (width, height) == (672, 288)
    return base64.b64decode(uri.partition(",")[2]).decode()


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
