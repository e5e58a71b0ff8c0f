"""Wires the suite: a target per backend kind, a client per dialect, and the matrix at the end.

usage: pytest tests/python/conformance --target FILE [--matrix FILE]

The file describes gateways that are running; `tests/tests/e2e/conformance.rs` starts them and writes it.
"""

import difflib
import os
from pathlib import Path

import anthropic
import openai
import pytest

import matrix
import target


def pytest_addoption(parser):
    parser.addoption("--target", required=True, help="JSON file that describes the gateways")
    parser.addoption("--matrix", help="Markdown file to hold the matrix against, or to write with UPDATE_DOCS=1")


def pytest_configure(config):
    config.addinivalue_line("markers", "simulated: needs a simulated server behind the gateway")
    config.addinivalue_line("markers", "needs(what): needs a model that can do this")
    config.kinds = target.read(config.getoption("--target"))
    config.matrix = matrix.Matrix([name for name in target.KINDS if name in config.kinds])


def pytest_generate_tests(metafunc):
    if "kind" in metafunc.fixturenames:
        kinds = metafunc.config.kinds
        names = [name for name in target.KINDS if name in kinds]
        metafunc.parametrize("kind", [kinds[name] for name in names], ids=names)


@pytest.fixture(autouse=True)
def fit(request, kind):
    """Skips what this kind's model cannot do; begins without a fault."""
    if request.node.get_closest_marker("simulated") and not kind.simulator:
        pytest.skip("a real server does not fail on command")
    for marker in request.node.iter_markers("needs"):
        if missing := kind.lacks & set(marker.args):
            pytest.skip(f"the model has no {', '.join(sorted(missing))}")
    kind.rewind()


@pytest.fixture
def openai_client(kind):
    """OpenAI's client with the caller's key. Retries would hide a failure behind a wait."""
    url = f"{kind.gateway}/v1"
    with openai.OpenAI(base_url=url, api_key=kind.key, max_retries=0, timeout=target.PATIENCE) as client:
        yield client


@pytest.fixture
def anthropic_client(kind):
    """Anthropic's client with the caller's key, in `x-api-key` as it sends it."""
    url = kind.gateway
    with anthropic.Anthropic(base_url=url, api_key=kind.key, max_retries=0, timeout=target.PATIENCE) as client:
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if "kind" in getattr(item, "fixturenames", ()) and (report.when == "call" or report.outcome != "passed"):
        refusals = [why for name, why in item.user_properties if name == "refused"]
        verdict = {"passed": matrix.WORKS, "skipped": matrix.UNASKED, "failed": matrix.FAILS}[report.outcome]
        if report.passed and refusals:
            verdict = matrix.REFUSED
        feature = item.function.__doc__.strip().splitlines()[0]
        item.config.matrix.note(item.module.CLIENT, feature, item.callspec.params["kind"].name, verdict, *refusals)
    return report


def pytest_sessionfinish(session):
    """Renders the matrix, and writes the page or fails when it says something else."""
    config = session.config
    if not config.matrix.cells:
        return
    text = config.matrix.render(f"`openai` {openai.__version__}, `anthropic` {anthropic.__version__}")
    config.said = text
    if not (page := config.getoption("--matrix")):
        return
    page = Path(page)
    if os.environ.get("UPDATE_DOCS") == "1":
        page.write_text(text)
        return
    kept = page.read_text() if page.exists() else ""
    if kept != text:
        drift = difflib.unified_diff(kept.splitlines(), text.splitlines(), str(page), "this run", lineterm="")
        config.said = f"{page} says something else; regenerate it as its first line says:\n" + "\n".join(drift)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if hasattr(config, "said"):
        terminalreporter.write_line("")
        terminalreporter.write_line(config.said)
