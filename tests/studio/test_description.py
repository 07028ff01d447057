"""The API against its own description."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from impasto.studio.app import create_app
from impasto.studio.settings import Limits, Settings

HOST = {"host": "127.0.0.1"}
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
]  # fmt: skip


def test_it_is_openapi_with_examples(client):
    described = client.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    for name in ("Generate", "Interpolate", "Train"):
        assert described["components"]["schemas"][name]["examples"]
    paths = {path.removeprefix("/api/v1/") for path in described["paths"]}
    assert {"health", "models", "generate", "interpolate", "project", "upscale", "datasets", "jobs"} <= paths
    assert "/login" not in described["paths"]
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["description"]
            assert "application/problem+json" in operation["responses"]["422"]["content"]


def test_examples_of_the_description_are_accepted(client):
    described = client.get("/api/v1/openapi.json").json()["components"]["schemas"]
    for name in ("generate", "interpolate"):
        for example in described[name.title()]["examples"]:
            answer = client.post(f"/api/v1/{name}", json={**example, "model": "tiny"})
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("tries", [1, pytest.param(150, marks=pytest.mark.slow)])
def test_nothing_that_it_allows_or_forbids_breaks_it(workspace, monkeypatch, tries):
    """Whatever is sent, no answer is a 5xx, and every one is as described."""
    app = create_app(Settings((workspace,), limits=Limits(trainings=0), page=False))
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers=HOST)
    tried: set[tuple[str, str]] = set()
    wrong: set[tuple[str, str]] = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        send_all(operation.as_strategy(generation_mode=GenerationMode.POSITIVE), tries, tried)
        if operation.body or operation.query or operation.headers:  # else nothing could be wrong
            send_all(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE), tries, wrong)
    assert (len(tried), len(wrong)) == (17, 9)


def send_all(strategy, tries, tried):
    @settings(
        max_examples=tries, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def send(case):
        tried.add((case.method, case.path))
        case.call_and_validate(headers=HOST, checks=CHECKS)

    send()
