"""The whole catalogue, with the official files in the hands of a server on loopback."""

import json
from pathlib import Path

import pytest

from data_prep.download import command
from data_prep.download.catalogue import CATALOGUE, EesRelease, GovukPage, Source, WebFile
from data_prep.download.client import Client
from data_prep.download.manifest import Manifest
from data_prep.download.verify import is_member
from data_prep.published import build_published
from data_prep.sources.files import RawFile, scan
from tests.data_prep.download.material import attachments, make_zip
from tests.data_prep.download.server import Fake, Reply

REAL = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not REAL.is_dir(), reason="the official files are not here"),
]
# Required, but no file at hand is as their publishers give it.
ABSENT = {"deprivation-2025", "boundaries-2023"}


def publish(fake: Fake, source: Source, files: list[RawFile]) -> None:
    """Put the files of a source where its first locator looks for them."""
    locator = source.locators[0]
    wanted = [
        file
        for file in files
        if any(is_member(file, member, source.reader_of(member)) for member in source.members)
    ]
    assert wanted, source.name
    if isinstance(locator, EesRelease):
        # One vintage of the populations.
        kept = {file.path.name: file.location.read_bytes() for file in wanted}
        kept.pop("ons_mid-year_population_estimates_2012_to_2024.csv", None)
        listed = [{"id": source.name, "slug": "2025", "latestRelease": True}]
        fake.on(
            f"/api/publications/{locator.publication}/releases", Reply(json.dumps(listed).encode())
        )
        zipped = make_zip({f"data/{name}": body for name, body in kept.items()})
        fake.on(f"/api/releases/{source.name}/files", Reply(zipped, length=-1))
    elif isinstance(locator, WebFile):
        fake.on(f"/{locator.path}", Reply(wanted[0].location.read_bytes()))
    else:
        assert isinstance(locator, GovukPage)
        path = f"government/statistics/{source.name}" if locator.document else locator.path
        extension = ".ods" if ".ods" in locator.extensions else ".zip"
        body = wanted[0].location.read_bytes()
        if extension == ".zip":
            body = make_zip({wanted[0].path.name: body})
        asset = f"/media/{source.name}/{wanted[0].path.stem}{extension}"
        fake.on(f"/api/content/{path}", Reply(attachments(("Underlying data", asset))))
        fake.on(asset, Reply(body))


def test_all_that_is_at_hand_comes_and_makes_a_cube(
    fake: Fake, client: Client, tmp_path: Path
) -> None:
    files = scan(REAL)
    sources = [s for s in CATALOGUE if s.required and s.name not in ABSENT]
    for source in sources:
        publish(fake, source, files)
    documents = [
        {
            "title": f"Children in need: {year - 1} to {year}",
            "base_path": f"/government/statistics/cin-{year}",
        }
        for year in (2010, 2011)
    ]
    fake.on(
        "/api/content/government/collections/statistics-children-in-need",
        Reply(json.dumps({"links": {"documents": documents}}).encode()),
    )
    out = tmp_path / "raw"
    assert command.run_download(out, Manifest(out), sources, fake.hosts, True, client) == 0
    came = {file.location.read_bytes() for file in scan(out)}
    assert len(came) == sum(len(source.members) for source in sources) == 26
    assert came <= {file.location.read_bytes() for file in files}
    tree, _ = build_published(out, [2010, 2011, 2012, 2013, 2014], None, "whole")
    assert tree["cube"].sizes["la"] == 152
    fake.seen.clear()
    assert command.run_download(out, Manifest(out), sources, fake.hosts, True, client) == 0
    assert fake.seen == []
