"""Dead letters, waiting jobs, breakers and the log, by the admin API and by the commands."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import AsyncTestClient

from admin import cli, queue_verbs
from admin.app import create_app
from admin.errors import NotReady, OperatorError
from admin.settings import Settings
from tools.claims import Claim, Claims
from tools.contract import Failed, ToolJob
from tools.queue import ToolQueue

VIEWER = {"Authorization": "Bearer viewers-token-of-20-chars"}
OPERATOR = {"Authorization": "Bearer operators-token-of-20-chars"}
TOKENS = "viewer:viewers-token-of-20-chars, operators-token-of-20-chars"
NOWHERE = Path("/nowhere")


@pytest.fixture
async def admin(redis_url: str) -> AsyncIterator[AsyncTestClient[Any]]:
    settings = Settings(admin_tokens=TOKENS, redis_url=redis_url)
    async with AsyncTestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
async def worker(redis_url: str) -> AsyncIterator[Claims]:
    async with Claims(redis_url, ["lookup"], token="host:1:one") as claims:
        await claims.take({"lookup": 0}, hold_s=1.0)
        yield claims


async def ask(redis_url: str, function_call_id: str = "f1") -> None:
    async with ToolQueue(redis_url) as queue:
        await queue.submit(
            ToolJob(
                function_call_id=function_call_id,
                call_sid="CA1",
                practice="hillside",
                tool="find_slots",
                arguments='{"service": "Ann Lee"}',
                budget_s=8.0,
            )
        )


async def end(worker: Claims, claim: Claim, code: str = "internal", **how: Any) -> None:
    outcome = Failed(function_call_id="f1", tool="find_slots", code=code, say="No.")
    assert await worker.finish(claim, "CA1", outcome, queued_ms=1000, started_ms=1007, **how)
    worker.leases.let_go(claim.job_id)


@pytest.fixture
async def dead(redis_url: str, worker: Claims) -> None:
    """One dead letter, of the job CA1:f1."""
    await ask(redis_url)
    [claim], _ = await worker.take({"lookup": 1}, hold_s=1.0)
    await end(worker, claim, dead="internal")


async def run(verb: Any, *words: Any, redis_url: str, capsys: Any, **options: Any) -> Any:
    status = await verb({"REDIS_URL": redis_url}, NOWHERE, *words, as_json=True, **options)
    assert status == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("dead")
async def test_a_dead_letter_is_seen_with_its_reason_and_nothing_of_the_patient(
    admin: AsyncTestClient[Any], redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await admin.get("/admin/queues/dead", headers=VIEWER)
    overview = (await admin.get("/admin/queues", headers=VIEWER)).json()
    printed = await run(queue_verbs.dead, limit=5, redis_url=redis_url, capsys=capsys)

    [letter] = answer.json()["dead"]
    assert (letter["job_id"], letter["code"], letter["tries"]) == ("CA1:f1", "internal", 1)
    assert letter["worker"] == "host:1:one"
    assert "Ann Lee" not in answer.text
    assert printed == answer.json()
    assert overview["dead"] == 1


@pytest.mark.usefixtures("dead")
async def test_a_dead_letter_is_tried_again_once_by_an_operator(
    admin: AsyncTestClient[Any], worker: Claims
) -> None:
    path = "/admin/queues/dead/CA1:f1/retry"

    refused = await admin.post(path, headers=VIEWER)
    retried = await admin.post(path, headers=OPERATOR)
    again = await admin.post(path, headers=OPERATOR)

    assert [each.status_code for each in (refused, retried, again)] == [403, 200, 404]
    [claim], _ = await worker.take({"lookup": 1}, hold_s=1.0)
    assert claim.job_id == retried.json()["job_id"] != "CA1:f1"
    worker.leases.let_go(claim.job_id)


@pytest.mark.usefixtures("dead")
async def test_the_command_tries_it_again_too(
    redis_url: str, capsys: pytest.CaptureFixture[str], worker: Claims
) -> None:
    said = await run(queue_verbs.retry, "CA1:f1", redis_url=redis_url, capsys=capsys)

    with pytest.raises(OperatorError, match="no such dead letter"):
        await queue_verbs.retry({"REDIS_URL": redis_url}, NOWHERE, "CA1:f1", as_json=True)
    [claim], _ = await worker.take({"lookup": 1}, hold_s=1.0)
    assert claim.job_id == said["job_id"]
    worker.leases.let_go(claim.job_id)


@pytest.mark.usefixtures("dead")
async def test_a_purge_counts_first_and_then_forgets(
    admin: AsyncTestClient[Any], redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = await run(queue_verbs.purge, dry_run=True, redis_url=redis_url, capsys=capsys)
    tried = await admin.delete("/admin/queues/dead?dry_run=true", headers=OPERATOR)
    refused = await admin.delete("/admin/queues/dead", headers=VIEWER)
    purged = await admin.delete("/admin/queues/dead", headers=OPERATOR)
    nothing = await run(queue_verbs.purge, dry_run=False, redis_url=redis_url, capsys=capsys)

    assert counted == tried.json() == {"letters": 1, "dry_run": True}
    assert refused.status_code == 403
    assert purged.json() == {"letters": 1, "dry_run": False}
    assert nothing["letters"] == 0


@pytest.mark.usefixtures("worker")
async def test_a_waiting_job_is_dropped_and_one_that_began_is_not(
    admin: AsyncTestClient[Any], redis_url: str, worker: Claims, capsys: pytest.CaptureFixture[str]
) -> None:
    await ask(redis_url, "f1")
    [claim], _ = await worker.take({"lookup": 1}, hold_s=1.0)
    await ask(redis_url, "f2")
    await ask(redis_url, "f3")

    began = await admin.delete("/admin/queues/jobs/CA1:f1", headers=OPERATOR)
    refused = await admin.delete("/admin/queues/jobs/CA1:f2", headers=VIEWER)
    dropped = await admin.delete("/admin/queues/jobs/CA1:f2", headers=OPERATOR)
    by_command = await run(queue_verbs.drop, "CA1:f3", redis_url=redis_url, capsys=capsys)

    assert [each.status_code for each in (began, refused, dropped)] == [404, 403, 200]
    assert by_command == {"job_id": "CA1:f3"}
    assert (await worker.take({"lookup": 1}, hold_s=1.0))[0] == []
    with pytest.raises(OperatorError, match="may have begun"):
        await queue_verbs.drop({"REDIS_URL": redis_url}, NOWHERE, "CA1:f1", as_json=True)
    await end(worker, claim)


@pytest.mark.usefixtures("dead")
async def test_what_ended_is_in_the_log(
    admin: AsyncTestClient[Any], redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = (await admin.get("/admin/queues/log", headers=VIEWER)).json()
    printed = await run(queue_verbs.log, limit=5, redis_url=redis_url, capsys=capsys)

    [ended] = answer["ended"]
    assert (ended["job_id"], ended["outcome"], ended["waited_ms"]) == ("CA1:f1", "internal", 7)
    assert printed == answer


async def test_an_open_breaker_is_shown(
    admin: AsyncTestClient[Any], redis_url: str, worker: Claims, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        await ask(redis_url, f"f{number}")
        [claim], _ = await worker.take({"lookup": 1}, hold_s=1.0)
        await end(worker, claim, "unavailable", breaker="hillside:calendar")

    shown = (await admin.get("/admin/queues/breakers", headers=VIEWER)).json()["breakers"]
    await queue_verbs.show({"REDIS_URL": redis_url}, NOWHERE, as_json=False)

    assert [(each["name"], each["open"]) for each in shown] == [("hillside:calendar", True)]
    assert "breaker hillside:calendar keeps jobs away" in capsys.readouterr().out


@pytest.mark.usefixtures("dead")
async def test_on_a_terminal_all_of_it_is_tables(
    redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    here: Any = ({"REDIS_URL": redis_url}, NOWHERE)
    await queue_verbs.show(*here, as_json=False)
    await queue_verbs.dead(*here, limit=5, as_json=False)
    await queue_verbs.log(*here, limit=5, as_json=False)
    await queue_verbs.retry(*here, "CA1:f1", as_json=False)
    await queue_verbs.purge(*here, dry_run=False, as_json=False)
    await queue_verbs.dead(*here, limit=5, as_json=False)
    said = capsys.readouterr().out

    assert "1 dead letters: holdfast queues dead" in said
    assert said.count("CA1:f1  find_slots") == 2
    assert "on its queue again, as CA1:f1~" in said
    assert "0 dead letters are forgotten" in said
    assert said.endswith("no dead letters\n")


async def test_without_redis_each_of_them_says_so(admin: AsyncTestClient[Any]) -> None:
    with pytest.raises(NotReady, match="Redis cannot be reached"):
        await queue_verbs.dead({"REDIS_URL": "redis://127.0.0.1:1"}, NOWHERE, limit=5, as_json=True)
    for path in ("dead?limit=0", "log?limit=1001"):
        assert (await admin.get(f"/admin/queues/{path}", headers=VIEWER)).status_code == 400


def test_what_is_said_before_an_act_holds_for_it(tmp_path: Path) -> None:
    words = cli._parser().parse_args(["queues", "--json", "--state", str(tmp_path), "dead"])
    plain = cli._parser().parse_args(["queues"])

    assert (words.act, words.json, words.state, words.limit) == ("dead", True, tmp_path, 50)
    assert (plain.act, plain.json) == (None, False)


def test_a_limit_is_more_than_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["queues", "dead", "--limit", "0"]) == 1

    assert "--limit is more than 0" in capsys.readouterr().err
