"""The two kinds of 429, and what plans allow."""

from __future__ import annotations

from typing import Any

import pytest

from sync_async.sandbox import SandboxSettings
from tests.sandbox.conftest import AUDIO, BODY, VIDEO, Later, Opener


async def test_a_full_plan_refuses_with_its_numbers_until_a_job_ends(opened: Opener) -> None:
    """PENDING and PROCESSING count, and the slot is free with the end."""
    api = await opened(latency=float("inf"), concurrency=2)
    ids = [(await api.create()).json["id"] for _ in range(2)]
    api.sandbox.advance(ids[0])
    full = await api.create()
    assert full.status == 429
    assert {**full.json, "message": "", "suggestion": ""} == {
        "statusCode": 429,
        "errorCode": "concurrency_limit_reached",
        "message": "",
        "suggestion": "",
        "error": "Too Many Requests",
        "activeGenerations": 2,
        "concurrencyLimit": 2,
        "retryAfterSeconds": 30,
        "upgradeUrl": "https://sync.so/billing",
    }
    assert "Retry-After" not in full.headers
    api.sandbox.finish(ids[0])
    await api.ended(ids[0])
    assert (await api.create()).status == 201


async def test_the_numbers_of_a_full_plan_can_move_to_a_header(opened: Opener) -> None:
    """Where the hint stands is not documented, and therefore a switch."""
    api = await opened(concurrency=0, tell_limits=False, tell_retry_after=True, tell_codes=False)
    full = await api.create()
    assert (full.status, full.headers["Retry-After"], full.code) == (429, "30", None)
    assert "activeGenerations" not in full.json


async def test_a_slot_may_be_freed_late(opened: Opener, later: Later) -> None:
    """The lag begins with the end of the job."""
    api = await opened(concurrency=1, release_lag=60)
    await api.made()
    assert (await api.create()).code == "concurrency_limit_reached"
    later.by(61)
    assert (await api.create()).status == 201


async def test_each_key_has_a_window_of_a_minute_for_creates(opened: Opener, later: Later) -> None:
    """Reads and other keys are counted apart, and a refused request is not counted."""
    api = await opened(posts_per_minute=2)
    assert [(await api.create()).status for _ in range(4)] == [201, 201, 429, 429]
    refused = await api.create()
    assert (refused.code, refused.json["error"]) == ("rate_limit_exceeded", "Too Many Requests")
    assert "Retry-After" not in refused.headers
    assert (await api.create(key="sk-other")).status == 201
    assert (await api("GET", "/v2/models")).status == 200
    later.by(61)
    assert (await api.create()).status == 201


async def test_the_window_slides(opened: Opener, later: Later) -> None:
    """A request counts for exactly sixty seconds, and the header tells the rest of them."""
    api = await opened(polls_per_minute=2, tell_retry_after=True)
    assert (await api("GET", "/v2/models")).status == 200
    later.by(40)
    assert (await api("GET", "/v2/models")).status == 200
    refused = await api("GET", "/v2/models")
    assert (refused.status, 18 <= int(refused.headers["Retry-After"]) <= 20) == (429, True)
    later.by(21)
    assert [(await api("GET", "/v2/models")).status for _ in range(2)] == [200, 429]


async def test_uploads_have_a_window_of_their_own(opened: Opener) -> None:
    """The catalogue and the health of the sandbox are not limited at all."""
    api = await opened(uploads_per_minute=1, polls_per_minute=1)
    asked = {"fileName": "v.mp4", "contentType": "video/mp4", "size": 1}
    assert [(await api("POST", "/v2/assets/upload", json=asked)).status for _ in range(2)] == [201, 429]
    assert [(await api("GET", "/v2/errors")).status for _ in range(3)] == [200, 200, 200]


async def test_a_refused_create_starts_nothing(opened: Opener) -> None:
    """Neither a slot nor a generation is left behind."""
    api = await opened(posts_per_minute=0, concurrency=1)
    assert (await api.create()).status == 429
    assert api.sandbox.generations == {}
    assert api.sandbox.world.jobs.slots_taken() == 0


@pytest.mark.parametrize(
    ("settings", "concurrency"),
    [({}, 3), ({"plan": "hobbyist"}, 1), ({"plan": "enterprise"}, None), ({"plan": "free", "concurrency": 9}, 9)],
)
def test_the_concurrency_is_the_plans_unless_given(settings: dict[str, Any], concurrency: int | None) -> None:
    """Without a plan it is 3."""
    assert SandboxSettings(**settings).concurrency == concurrency


async def test_the_free_plan_ends_after_three_generations(opened: Opener) -> None:
    """What is for paid plans is refused with 402, too."""
    api = await opened(plan="free")
    speaker = {"options": {"active_speaker_detection": {"auto_detect": True}}}
    for change in ({"model": "react-1"}, speaker):
        refused = await api.create({**BODY, **change})
        assert (refused.status, refused.code) == (402, "plan_feature_unavailable")
    for _ in range(3):
        await api.made()
    refused = await api.create()
    assert (refused.status, refused.code) == (402, "free_tier_generations_exhausted")


async def test_media_that_are_too_long_for_the_plan_are_rejected_by_the_job(opened: Opener) -> None:
    """They are measured when they are fetched, not during the create call."""
    import io
    import wave

    api = await opened(plan="free", render=True)
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(bytes(8000 * 21))
    url = await api.upload(sound.getvalue(), "a.wav", "audio/wav")
    ended = await api.made(input=[VIDEO, {**AUDIO, "url": url}])
    assert (ended["status"], ended["errorCode"]) == ("REJECTED", "generation_plan_duration_exceeded")
    assert (await api.made())["status"] == "COMPLETED"
