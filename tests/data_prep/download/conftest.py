"""The misbehaving server, and a client that does not really sleep."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data_prep.download.client import Client
from tests.data_prep.download.server import Fake, serve


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serve() as server:
        yield server


@pytest.fixture
def slept() -> list[float]:
    """Seconds that the client wanted to sleep, in order."""
    return []


@pytest.fixture
def make_client(slept: list[float]) -> Callable[..., Client]:
    def make(**options: object) -> Client:
        settings = {"timeout": 5.0, "attempts": 3, "sleep": slept.append, "proxies": {}}
        return Client(**{**settings, **options})  # type: ignore[arg-type]

    return make


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "incoming" / "file.csv"
