"""What every area's tests may ask for: one real Kafka, and topics of one's own on it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from monitor.config import settings
from monitor.kafka.embedded.broker import Broker
from tests import SHARED

hypothesis.settings.register_profile("any machine", deadline=None)  # how long an example takes says nothing
hypothesis.settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The unit part first, in which a socket that was not closed is an error; see the filters in pyproject.toml."""
    items.sort(key=_starts_processes)
    for item in items:
        if not _starts_processes(item):
            item.add_marker(pytest.mark.filterwarnings("error:unclosed <:ResourceWarning"))


def _starts_processes(item: pytest.Item) -> bool:
    return item.get_closest_marker("line") is not None


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for the whole session. Never kill it: a test that needs that starts its own `Broker`."""
    with Broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest.fixture
def kafka(broker: Broker) -> Iterator[settings.Kafka]:
    """Settings with a prefix of the test's own, its topics made (4 partitions) and deleted at the end."""
    from monitor.kafka import topics

    chosen = settings.Kafka(bootstrap=(broker.bootstrap,), prefix=f"t{uuid.uuid4().hex[:8]}.")
    assert topics.ensure(chosen) == []
    yield chosen
    topics.delete(chosen)


@pytest.fixture
def new_prefix() -> Callable[[], str]:
    """Gives a prefix for topics that no other test uses."""
    return lambda: f"t{uuid.uuid4().hex[:8]}."


@pytest.fixture
def lean() -> Path:
    """Real quotes and trades outside the repository; skips the test where they are absent."""
    path = SHARED / "data" / "quotes-lean-algoseek"
    if not path.exists():
        pytest.skip(f"real input is not on this machine: {path}")
    return path
