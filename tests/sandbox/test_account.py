"""Keys, the small endpoints, and paths that there are not."""

from __future__ import annotations

import pytest

from sync_async.sandbox.refusal import Refusal
from tests.sandbox.conftest import Api, Opener


async def test_a_missing_and_a_wrong_key_have_the_two_bodies_of_the_real_service(opened: Opener) -> None:
    """Only the first has an `error`."""
    api = await opened(api_key="sk-right")
    missing = await api("GET", "/v2/models", key=None)
    assert (missing.status, missing.json) == (
        401,
        {
            "message": "Either Cookie or x-api-key header must be provided",
            "error": "Unauthorized",
            "statusCode": 401,
        },
    )
    wrong = await api("GET", "/v2/models", key="sk-wrong")
    assert (wrong.status, wrong.json) == (401, {"message": "Unauthorized", "statusCode": 401})
    assert (await api("GET", "/v2/models", key="sk-right")).status == 200
    assert api.sandbox.api_key == "sk-right"


async def test_any_key_will_do_when_none_is_set(api: Api) -> None:
    """The header has to be there all the same, and a bearer token is none."""
    assert (await api("GET", "/v2/models", key="anything")).status == 200
    assert (await api("GET", "/v2/models", key=None, headers={"Authorization": "Bearer x"})).status == 401


async def test_the_catalogue_needs_no_key_and_has_62_codes(api: Api) -> None:
    """Each has a message and a suggestion."""
    catalogue = await api("GET", "/v2/errors", key=None)
    assert len(catalogue.json) == len({code["code"] for code in catalogue.json}) == 62
    assert all(set(code) == {"code", "message", "suggestion"} and all(code.values()) for code in catalogue.json)


async def test_models_have_the_names_that_create_takes(api: Api) -> None:
    """They are a bare array with a type and a version each."""
    models = (await api("GET", "/v2/models")).json
    assert [model["name"] for model in models] == [
        "sync-3",
        "lipsync-2",
        "lipsync-2-pro",
        "lipsync-1.9.0-beta",
        "react-1",
    ]
    assert {model["type"] for model in models} == {"lipsync", "react"}
    assert all(model["id"] and model["version"] and model["description"] for model in models)


async def test_the_account_the_secret_and_the_health_are_told(opened: Opener) -> None:
    """The account's unknown fields can be set, and health needs no key."""
    api = await opened(webhook_secret="whsec_x", account={"limits": {"concurrency": 3}})
    account = (await api("GET", "/v2/account")).json
    assert (account["credentialType"], account["organization"]["name"]) == ("api_key", "Sandbox")
    assert account["limits"] == {"concurrency": 3}
    assert (await api("GET", "/v2/organizations/webhook/secret")).json == {"secret": "whsec_x"}
    assert (await api("GET", "/v2/organizations/webhook/secret", key=None)).status == 401
    assert (await api("GET", "/health", key=None)).json == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2/nothing"), ("PUT", "/v2/models"), ("POST", "/v2/tts"), ("GET", "/"), ("POST", "/v2/generate/")],
)
async def test_what_there_is_not_is_404_in_the_apis_form(api: Api, method: str, path: str) -> None:
    """No key is asked for, since no endpoint is there to ask."""
    answer = await api(method, path, key=None)
    assert answer.status == 404
    assert answer.json == {"statusCode": 404, "message": f"Cannot {method} {path}", "error": "Not Found"}


async def test_a_codes_status_can_be_changed(opened: Opener) -> None:
    """Most statuses of the catalogue are not documented, so that clients have to go by the code."""
    api = await opened(statuses={"generation_not_found": 410})
    answer = await api("GET", "/v2/generate/x")
    assert (answer.status, answer.json["statusCode"], answer.json["error"]) == (410, 410, "Gone")


async def test_a_fault_of_the_sandbox_is_an_internal_error(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is JSON with a request id."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(api.sandbox.world.wire, "batch", fail)
    api.sandbox.world.batches["b"] = None  # type: ignore[assignment]
    answer = await api("GET", "/v2/batch")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert answer.json["requestId"]


def test_a_status_that_nobody_registered_has_no_reason() -> None:
    """The body is whole without it."""
    assert Refusal("internal_error", status=599).response().status == 599
