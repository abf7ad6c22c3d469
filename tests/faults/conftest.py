"""The scale of the faults, and the matrix of recoveries at the end."""

from collections.abc import Iterator

import pytest

from tests.faults import matrix as faults_matrix
from tests.faults.matrix import Matrix
from tests.faults.scene import Scale
from tests.faults.stage import Stage, set_up
from tests.stacks.fixtures import NAMES, on


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "the part of the published times and counts of tests/faults: 1 is all, as `make faults`"
    parser.addoption("--faults-scale", type=float, default=0.1, help=text)
    text = "keep the seconds of each recovery in bench/results, and write docs/faults.md"
    parser.addoption("--faults-page", action="store_true", help=text)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """At the published times nearly all is waiting: a stack is set up more than once and waited
    for side by side, file by file and fault by fault.
    """
    if config.getoption("faults_scale") < 1:
        return
    for item in items:
        if item.get_closest_marker("xdist_group") is not None:
            callspec = getattr(item, "callspec", None)
            fault = callspec.params.get("action", "") if callspec else ""
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}{fault}"))


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> Scale:
    return Scale(request.config.getoption("faults_scale", 0.1))


@pytest.fixture(scope="session", params=on(*NAMES))
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, scale: Scale
) -> Iterator[Stage]:
    """Each stack in turn, whole again after each test; in the end every promise was kept."""
    with set_up(request.param, tmp_path_factory.mktemp("stage"), scale) as stage:
        yield stage
        stage.scene.settle(60)
        stage.scene.check()


@pytest.fixture
def matrix(request: pytest.FixtureRequest) -> Matrix:
    """Takes down how long each recovery took, for the page of all faults."""
    return Matrix(request.node, faults_matrix.stack_of(request.node))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    recoveries = faults_matrix.recorded(terminalreporter.stats.get("passed", ()))
    if not terminalreporter.config.getoption("faults_page", False) or not recoveries:
        return
    terminalreporter.section("recoveries")
    terminalreporter.write_line(faults_matrix.table(recoveries))
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        terminalreporter.write_line("Not every fault was survived: nothing was written.")
        return
    scale = terminalreporter.config.getoption("faults_scale")
    for path in faults_matrix.write(recoveries, scale):
        terminalreporter.write_line(f"written: {path.relative_to(faults_matrix.ROOT)}")
