"""``python -m experiments data-report``: a cube by name or path, or one message."""

from pathlib import Path

import pytest

from experiments import store
from experiments.__main__ import main
from tests.reports.cubes import make_tree, write_cube


def test_a_cube_is_found_by_name_and_by_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    path = write_cube(make_tree(las=2, years=(2012, 2013)), tmp_path / "cubes", [])
    for text in ("small", str(path)):
        assert main(["data-report", "--cube", text]) == 0
        report = tmp_path / "cubes" / "small.report.html"
        assert f"Report: {report}" in capsys.readouterr().out
        assert report.stat().st_size > 100_000
        report.unlink()


@pytest.mark.parametrize("content", [None, b"not netCDF"])
def test_what_is_no_cube_is_bad_input(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.nc"
    if content:
        path.write_bytes(content)
    assert main(["data-report", "--cube", str(path)]) == 2
    assert "Remedy" in capsys.readouterr().err
    assert not (tmp_path / "x.report.html").exists()


def test_a_changed_cube_is_refused(tmp_path: Path) -> None:
    import netCDF4

    path = write_cube(make_tree(las=2, years=(2012, 2013)), tmp_path, [])
    with netCDF4.Dataset(path, "a") as file:
        file["cube"]["referrals"][0, 0] = 1.0
    assert main(["data-report", "--cube", str(path)]) == 2
