"""Estimates before a generation, and costs after it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import AUDIO, BODY, SPEECH, VIDEO, Api, Opener


@pytest.mark.parametrize("path", ["/v2/generations/estimate", "/v2/generate/estimate-cost"])
async def test_an_estimate_goes_by_length_and_frame_rate(api: Api, path: str) -> None:
    """Both paths give frames times the model's price, at 30 frames a second unless told."""
    asked = {"model": "lipsync-2", "duration": 10, "fps": 25}
    assert (await api("POST", path, json=asked)).json == {
        "estimatedFrameCount": 250,
        "estimatedGenerationCost": 0.5,
        "estimatedCredits": None,
    }
    assert (await api("POST", path, json={"model": "sync-3", "duration": 1.01})).json["estimatedFrameCount"] == 31


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"model": "x"}, 422, "model"),
        ({"model": []}, 400, "model"),
        ({"duration": 0}, 400, "duration"),
        ({"duration": "1"}, 400, "duration"),
        ({"duration": 10**400}, 400, "duration"),
        ({"fps": "x"}, 400, "fps"),
        ({"reasoningEnabled": 1}, 400, "reasoningEnabled"),
    ],
)
async def test_an_estimate_that_cannot_be_given_is_refused(
    api: Api, change: dict[str, Any], status: int, field: str
) -> None:
    """An unknown model has no estimate, which is another refusal than a bad request."""
    answer = await api("POST", "/v2/generations/estimate", json={"model": "sync-3", "duration": 1, **change})
    assert (answer.status, answer.json["field"]) == (status, field)
    assert answer.code == ("cost_estimate_unavailable" if status == 422 else "generation_input_validation_failed")


async def test_the_older_estimate_measures_a_whole_body(opened: Opener) -> None:
    """It answers an object, an array or 404, and starts nothing."""
    api = await opened()
    whole = await api("POST", "/v2/analyze/cost", json=BODY)
    assert whole.json == {"estimatedFrameCount": 100, "estimatedGenerationCost": 0.2}
    assert (await (await opened(estimate="array"))("POST", "/v2/analyze/cost", json=BODY)).json == [whole.json]
    assert (await (await opened(estimate="missing"))("POST", "/v2/analyze/cost", json=BODY)).status == 404
    assert (await api("POST", "/v2/analyze/cost", json={**BODY, "input": []})).status == 400
    missing = {**BODY, "input": [{"type": "video", "assetId": "x"}, AUDIO]}
    assert (await api("POST", "/v2/analyze/cost", json=missing)).code == "asset_not_found"
    assert api.sandbox.generations == {}


async def test_a_dubbing_estimate_has_a_breakdown(api: Api) -> None:
    """The parts add up to the price."""
    body = {
        "model": "lipsync-2",
        "input": [VIDEO],
        "dubParams": {"targetLang": "es"},
        "workflow": "translate-and-dub",
    }
    answer = (await api("POST", "/v2/analyze/cost", json=body)).json
    assert set(answer["breakdown"]) == {"lipsync", "dubbing"}
    assert answer["estimatedGenerationCost"] == pytest.approx(sum(answer["breakdown"].values()))


async def test_costs_are_known_once_a_job_has_ended(held: Api) -> None:
    """They are decimal strings, pending before, and zero for what failed."""
    ids = [(await held.create({**BODY, "input": [VIDEO, SPEECH]})).json["id"] for _ in range(2)]

    async def costs(id: str) -> Any:
        return (await held("GET", f"/v2/generate/{id}/costs")).json

    before = await costs(ids[0])
    assert (before["availability"], before["totalCostUsd"]) == ("pending", None)
    assert before["retryAfterSeconds"] > 0
    held.sandbox.finish(ids[0])
    held.sandbox.finish(ids[1], "FAILED")
    for id in ids:
        await held.ended(id)
    done, failed = await costs(ids[0]), await costs(ids[1])
    assert (done["availability"], done["currency"], done["excludedCosts"]) == ("complete", "USD", ["tax"])
    assert [part["type"] for part in done["components"]] == ["lipsync", "speech_synthesis"]
    assert done["totalCostUsd"] == f"{sum(float(part['costUsd']) for part in done['components']):.4f}"
    assert (failed["generationStatus"], failed["totalCostUsd"]) == ("FAILED", "0.0000")
