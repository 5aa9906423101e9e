import pytest
from sophia_deployment_core.ledger import verify
from sophia_infrastructure.state.ledger import SqlLedger


class FakeClock:
    def __init__(self) -> None:
        self.wall, self.boot = 1_000_000, 50_000

    def now_ms(self) -> int:
        return self.wall

    def boot_ms(self) -> int:
        return self.boot

    async def sleep(self, ms: int) -> None:
        self.boot += ms


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def ledger(tmp_path, clock):
    yield from opened(tmp_path, clock)


@pytest.fixture(scope="module")
def shared_ledger(tmp_path_factory):
    """One for all tests of a module, which read it or copies of it."""
    yield from opened(tmp_path_factory.mktemp("shared"), FakeClock())


def opened(directory, clock):
    ledger = SqlLedger(directory / "state", clock=clock)
    yield ledger
    assert verify(ledger.read()) == ledger.head()
    ledger.close()
