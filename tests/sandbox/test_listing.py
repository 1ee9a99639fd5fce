"""Lists, counts, download links and deletion of generations."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import BODY, Api, Opener


async def ids(api: Api, query: str) -> list[str]:
    return [generation["id"] for generation in (await api("GET", f"/v2/generations?{query}")).json]


async def test_a_list_is_filtered_by_status_ids_and_project(opened: Opener) -> None:
    """Several values are joined with commas or repeated, and unknown ids are left out."""
    api = await opened(projects=["p"])
    made = [(await api.made())["id"] for _ in range(3)]
    failed = (await api.made(outputFileName="sandbox_fail", projectId="p"))["id"]
    assert await ids(api, "status=REJECTED,FAILED") == [failed]
    assert await ids(api, "status=REJECTED&status=FAILED") == [failed]
    assert await ids(api, f"ids={made[1]},{made[0]}&ids=none") == [made[1], made[0]]
    assert await ids(api, f"ids={made[0]},{failed}&limit=1") == [failed]
    assert await ids(api, "projectId=p") == [failed]
    assert await ids(api, "projectId=other") == []
    assert sorted(await ids(api, "")) == sorted([*made, failed])


async def test_pages_are_newest_first_and_follow_the_cursor(api: Api) -> None:
    """The cursor is the last id of the page before."""
    made = [(await api.made())["id"] for _ in range(5)]
    first = await ids(api, "limit=2")
    second = await ids(api, f"limit=2&cursor={first[-1]}")
    third = await ids(api, f"limit=2&cursor={second[-1]}")
    assert first + second + third == made[::-1]
    assert await ids(api, f"limit=2&cursor={third[-1]}") == []
    assert await ids(api, "limit=2&cursor=unknown") == []


async def test_a_cursor_survives_a_change_of_its_status(held: Api) -> None:
    """The page goes on where it was, although the cursor's generation is not in the filter any more."""
    made = [(await held.create()).json["id"] for _ in range(4)]
    first = await ids(held, "status=PENDING&limit=2")
    held.sandbox.finish(first[-1])
    await held.ended(first[-1])
    assert await ids(held, f"status=PENDING&limit=2&cursor={first[-1]}") == [made[1], made[0]]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=²", "cursor=x", "status=DONE"])
async def test_a_query_out_of_range_is_refused(api: Api, query: str) -> None:
    """Limits are from 1 to 100, and a cursor needs one."""
    assert (await api("GET", f"/v2/generations?{query}")).status == 400


async def test_a_count_tells_what_takes_slots(held: Api) -> None:
    """The filters are those of the list; all of the sandbox's generations were made over the API."""
    made = [(await held.create()).json["id"] for _ in range(3)]
    held.sandbox.finish(made[0])
    await held.ended(made[0])

    async def count(query: str) -> int:
        return int((await held("GET", f"/v2/generations/count?{query}")).json["count"])

    assert await count("status=PENDING,PROCESSING") == 2
    assert [await count("type=api&currentUserOnly=true"), await count("type=playground")] == [3, 0]
    assert [await count("generationSource=mcp"), await count("generationSource=mcp,api")] == [0, 3]
    assert (await held("GET", "/v2/generations/count?type=x")).status == 400
    assert (await held("GET", "/v2/generations/count?currentUserOnly=x")).status == 400


async def test_a_download_link_is_a_bare_url(opened: Opener) -> None:
    """It is plain text, neither quoted nor a redirect; for a failed job its status is a switch."""
    api = await opened(unfinished_download_status=404)
    done = await api.made()
    link = await api("GET", f"/v2/generations/{done['id']}/download")
    assert link.headers["Content-Type"].startswith("text/plain")
    assert (await api("GET", link.body.decode())).status == 200
    failed = await api.made(outputFileName="sandbox_fail")
    assert (await api("GET", f"/v2/generations/{failed['id']}/download")).status == 404


async def test_a_deleted_generation_and_its_output_are_gone(api: Api) -> None:
    """The answer shows it a last time."""
    done, other = await api.made(), await api.made(**BODY)
    deleted = await api("DELETE", f"/v2/generations/{done['id']}")
    assert (deleted.status, deleted.json["id"]) == (200, done["id"])
    for method, path in (
        ("GET", f"/v2/generate/{done['id']}"),
        ("DELETE", f"/v2/generations/{done['id']}"),
        ("GET", f"/v2/generate/{done['id']}/costs"),
    ):
        gone = await api(method, path)
        assert (gone.status, gone.code) == (404, "generation_not_found")
    assert (await api("GET", done["outputUrl"])).status == 404
    assert (await api("GET", other["outputUrl"])).status == 200
