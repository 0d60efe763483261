"""The admin API: who gets in, what an operator sees and flushes, what every refusal looks like."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar, get
from litestar.testing import AsyncTestClient

from admin import problems
from admin.app import create_app
from admin.auth import Role, read_tokens, role_of
from admin.errors import SettingsRefused
from admin.settings import Settings, load
from bridge.phrases import PhraseCache
from bridge.profile import Profile
from tests.tools.served import count_as_served
from tools.contract import ToolJob
from tools.queue import ToolQueue

VIEWER = {"Authorization": "Bearer viewers-token-of-20-chars"}
OPERATOR = {"Authorization": "Bearer operators-token-of-20-chars"}
TOKENS = "viewer:viewers-token-of-20-chars, operators-token-of-20-chars"


@pytest.fixture
async def admin(redis_url: str) -> AsyncIterator[AsyncTestClient[Any]]:
    settings = Settings(admin_tokens=TOKENS, redis_url=redis_url)
    async with AsyncTestClient(create_app(settings)) as client:
        yield client


class Speaks:
    """A speech API that says every text with the same sound."""

    async def say(self, text: str, **_: Any) -> bytes:
        return b"\x55" * 1600


@pytest.fixture
async def cached(redis_url: str, hillside: Profile) -> None:
    async with PhraseCache(redis_url, speech=Speaks(), wall_clock=lambda: 1e9) as cache:
        await cache.get(hillside, "greeting", "Hello.")
        await cache.get(hillside, "filler", "One moment.")


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and type of an error; its body must be problem details that agree."""
    assert answer.json()["status"] == answer.status_code
    assert answer.json()["title"]
    return answer.status_code, answer.headers["content-type"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer  "},
        {"Authorization": "Bearer not-the-token-at-all"},
        {"Authorization": "Basic operators-token-of-20-chars"},
        {"Authorization": "operators-token-of-20-chars"},
        {"Authorization": "Bearer viewer:viewers-token-of-20-chars"},
        {"Authorization": "Bearer opérateur"},
    ],
)
async def test_nobody_gets_in_without_a_token_that_is_known(
    admin: AsyncTestClient[Any], headers: dict[str, str]
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    for path in ("/admin/queues", "/admin/phrases", "/admin/schema/openapi.json"):
        answer = await admin.get(path, headers=raw)

        assert problem(answer) == (401, "application/problem+json")
        assert answer.headers["www-authenticate"] == 'Bearer realm="holdfast"'


async def test_a_viewer_sees_but_does_not_flush(admin: AsyncTestClient[Any]) -> None:
    assert (await admin.get("/admin/phrases", headers=VIEWER)).status_code == 200

    answer = await admin.delete("/admin/phrases", headers=VIEWER)

    assert problem(answer) == (403, "application/problem+json")


@pytest.mark.usefixtures("cached")
async def test_phrases_are_listed_with_the_hit_rate(admin: AsyncTestClient[Any]) -> None:
    answer = (await admin.get("/admin/phrases", headers=VIEWER)).json()

    assert [(p["practice"], p["kind"], p["text"]) for p in answer["phrases"]] == [
        ("hillside", "filler", "One moment."),
        ("hillside", "greeting", "Hello."),
    ]
    assert answer["audio_bytes"] == 3200
    assert {"hits", "misses", "hit_rate"} <= answer.keys()


@pytest.mark.usefixtures("cached")
async def test_a_dry_run_counts_and_forgets_nothing(admin: AsyncTestClient[Any]) -> None:
    answer = await admin.delete("/admin/phrases?dry_run=true&kind=filler", headers=OPERATOR)

    assert answer.json() == {"phrases": 1, "dry_run": True}
    assert (await admin.get("/admin/phrases", headers=VIEWER)).json()["cached"] == 2


@pytest.mark.usefixtures("cached")
async def test_a_flush_forgets_what_fits_every_filter(admin: AsyncTestClient[Any]) -> None:
    one = (await admin.get("/admin/phrases?kind=greeting", headers=VIEWER)).json()["phrases"][0]
    wrong_practice = {"key": one["key"], "practice": "elsewhere"}
    right = {"key": one["key"], "practice": "hillside", "voice": one["voice"]}

    none = await admin.delete("/admin/phrases", params=wrong_practice, headers=OPERATOR)
    flushed = await admin.delete("/admin/phrases", params=right, headers=OPERATOR)

    assert (none.json()["phrases"], flushed.json()["phrases"]) == (0, 1)
    left = (await admin.get("/admin/phrases", headers=VIEWER)).json()["phrases"]
    assert [phrase["kind"] for phrase in left] == ["filler"]


@pytest.mark.usefixtures("cached")
async def test_a_mistyped_filter_flushes_nothing(admin: AsyncTestClient[Any]) -> None:
    answer = await admin.delete("/admin/phrases?pratice=hillside", headers=OPERATOR)

    assert problem(answer) == (400, "application/problem+json")
    assert answer.json()["errors"] == [{"key": "pratice", "message": "no such parameter"}]
    assert (await admin.get("/admin/phrases", headers=VIEWER)).json()["cached"] == 2


async def test_a_parameter_that_is_no_yes_or_no_is_told_by_name(
    admin: AsyncTestClient[Any],
) -> None:
    answer = await admin.delete("/admin/phrases?dry_run=perhaps", headers=OPERATOR)

    assert problem(answer) == (400, "application/problem+json")
    assert answer.json()["errors"][0]["key"] == "dry_run"


async def test_queues_show_what_waits(admin: AsyncTestClient[Any], redis_url: str) -> None:
    count_as_served(redis_url)
    async with ToolQueue(redis_url) as queue:
        await queue.submit(
            ToolJob(
                function_call_id="fc_1",
                call_sid="CA1",
                practice="hillside",
                tool="find_slots",
                arguments='{"service": "cleaning"}',
                budget_s=8.0,
            )
        )

    queues = (await admin.get("/admin/queues", headers=VIEWER)).json()["queues"]

    assert sum(queue["waiting"] for queue in queues) == 1
    assert {queue["workers"] for queue in queues} == {0}


async def test_without_redis_the_answer_says_so_and_the_process_lives() -> None:
    settings = Settings(admin_tokens=TOKENS, redis_url="redis://127.0.0.1:1")
    async with AsyncTestClient(create_app(settings)) as client:
        answers = [
            await client.get(path, headers=VIEWER) for path in ("/admin/queues", "/admin/phrases")
        ]
        alive = await client.get("/healthz")

    assert [problem(answer) for answer in answers] == [(503, "application/problem+json")] * 2
    assert alive.json() == {"status": "ok"}


async def test_what_is_not_there_is_a_problem_too(admin: AsyncTestClient[Any]) -> None:
    assert problem(await admin.get("/admin/nothing")) == (404, "application/problem+json")


async def test_a_method_that_is_not_there_is_a_problem_too(admin: AsyncTestClient[Any]) -> None:
    answer = await admin.post("/admin/queues", headers=OPERATOR)

    assert problem(answer) == (405, "application/problem+json")


async def test_a_fault_of_ours_is_told_without_its_inside() -> None:
    @get("/breaks")
    async def breaks() -> None:
        raise ValueError("the inside")

    app = Litestar([breaks], exception_handlers=problems.HANDLERS, logging_config=None)
    async with AsyncTestClient(app, raise_server_exceptions=False) as client:
        answer = await client.get("/breaks")

    assert problem(answer) == (500, "application/problem+json")
    assert "the inside" not in answer.text


async def test_the_schema_is_json_and_names_every_route(admin: AsyncTestClient[Any]) -> None:
    schema = (await admin.get("/admin/schema/openapi.json", headers=VIEWER)).json()

    queues = ["", "/breakers", "/dead", "/dead/{job_id}/retry", "/jobs/{job_id}", "/log"]
    assert sorted(schema["paths"]) == [
        "/admin/phrases",
        *(f"/admin/queues{path}" for path in queues),
    ]


async def test_no_page_is_served_that_would_load_scripts_from_elsewhere(
    admin: AsyncTestClient[Any],
) -> None:
    for path in ("/schema", "/schema/swagger", "/admin/schema/swagger", "/docs"):
        assert (await admin.get(path, headers=VIEWER)).status_code == 404


async def test_answers_are_not_kept_by_anybody(admin: AsyncTestClient[Any]) -> None:
    answer = await admin.get("/admin/queues", headers=VIEWER)

    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("text", ["", " , ", "short", "viewer:short", "operator:"])
def test_admin_does_not_start_open_or_with_a_weak_token(text: str) -> None:
    with pytest.raises(SettingsRefused, match="ADMIN_TOKENS"):
        load({"ADMIN_TOKENS": text})


def test_an_unknown_role_is_refused_without_telling_the_token() -> None:
    with pytest.raises(SettingsRefused, match="entry 2") as refused:
        read_tokens("operators-token-of-20-chars,boss:another-token-of-20-chars")

    assert "another-token" not in str(refused.value)


def test_a_wrong_setting_is_named_but_not_repeated() -> None:
    with pytest.raises(SettingsRefused, match="PORT") as refused:
        load({"ADMIN_TOKENS": TOKENS, "PORT": "s3cret"})

    assert "s3cret" not in str(refused.value)


def test_a_token_in_two_roles_has_the_higher_one() -> None:
    secret = "one-token-of-20-characters"
    tokens = read_tokens(f"operator:{secret},viewer:{secret}")

    assert role_of(secret, tokens) is Role.OPERATOR


def test_the_tokens_themselves_are_kept_nowhere() -> None:
    tokens = read_tokens(TOKENS)

    assert b"operators-token" not in msgspec.msgpack.encode(tokens)
