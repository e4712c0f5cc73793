"""Running installations. Import these fixtures and the hook into another folder's conftest to have them there too."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from installer.shape import EMBEDDED, Shape
from tests.packages.index_server import LoopbackIndex, serve_index
from tests.processes.installation import PRODUCTION, Foundation, Installation, install, prepare_foundation, running
from tests.processes.markdown_wheel import add_markdown

type Installer = Callable[..., Installation]
METRICS_TOKEN = "figures-for-the-operator"


@pytest.fixture(scope="session")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foundation]:
    """Also sees to it that tests which are told to end remove what they have started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with prepare_foundation(tmp_path_factory.mktemp("foundation")) as made:
        yield made


@pytest.fixture(scope="session")
def offline_index() -> Iterator[LoopbackIndex]:
    """Has a stand-in for the demo's package, so that no test but those marked `network` needs the internet."""
    with serve_index() as index:
        add_markdown(index, "1.0")
        yield index


@pytest.fixture(scope="session")
def installer(
    foundation: Foundation, offline_index: LoopbackIndex, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installer]:
    """Call it with further variables to have one more installation, which lives until the session ends."""
    with ExitStack() as installations:

        def begin(shape: Shape = EMBEDDED, **settings: str) -> Installation:
            chosen = {"SELFSMITH_PACKAGES_INDEX": offline_index.url, "SELFSMITH_LEASE_SECONDS": "3", **settings}
            return installations.enter_context(install(foundation, tmp_path_factory.mktemp("home"), chosen, shape))

        yield begin


@pytest.fixture(scope="session")
def usual_shape(request: pytest.FixtureRequest) -> Shape:
    """Of installations whose tests hold whatever processes there are; `--production` chooses."""
    return PRODUCTION if request.config.getoption("production") else EMBEDDED


@pytest.fixture(scope="session")
def installation(installer: Installer, usual_shape: Shape) -> Installation:
    """The one that most tests share. Its first task waits for approval until somebody decides."""
    return installer(usual_shape)


@pytest.fixture(scope="session")
def production(installer: Installer) -> Installation:
    """Two webs behind a proxy with TLS and two workers, also in a run of the tests without `--production`."""
    return installer(PRODUCTION, SELFSMITH_METRICS_TOKEN=METRICS_TOKEN)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows what the processes said."""
    report: Any = (yield).get_result()  # type: ignore[func-returns-value]  # pluggy sends the outcome
    if report.failed:
        for each in running:
            report.sections += [(f"{each.name} {process}", text) for process, text in each.logs()]
