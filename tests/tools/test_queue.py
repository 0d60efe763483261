"""The bridge's side of the queue against a real Redis, with claims played by hand."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis.asyncio
from arq import ArqRedis
from arq.jobs import Job, JobStatus

from admin.chaos.line import BreakableLine
from tests.tools.queueing import PATIENTLY_S, Caller, a_job, an_outcome, finish, take_one, until
from tools import keys
from tools.catalog import QUEUES
from tools.claims import Claims
from tools.errors import BadArguments, Unavailable
from tools.queue import ToolQueue
from tools.records import decode_job


async def test_a_job_goes_out_and_its_outcome_comes_back_to_the_call(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(a_job())
    claim = await take_one(claims)
    job = decode_job(claim.record).job

    assert await finish(claims, claim, an_outcome())

    assert await caller.heard() == [an_outcome()]
    assert job.arguments == '{"service": "cleaning"}'
    assert job.asked_utc > 0
    assert claim.queue == "lookup"
    assert claim.tries == 1


async def test_the_same_function_call_asked_again_is_one_job(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    for _ in range(3):
        await queue.submit(a_job())
    claim = await take_one(claims)

    taken, _ = await claims.take({"lookup": 9}, hold_s=30.0)
    await finish(claims, claim, an_outcome())

    assert taken == []
    assert await caller.heard() == [an_outcome()]


async def test_a_kept_result_answers_at_once_and_again(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(a_job())
    await finish(claims, await take_one(claims), an_outcome())
    await caller.heard()

    await queue.submit(a_job())

    assert await caller.heard(2) == [an_outcome(), an_outcome()]
    assert await claims.take({"lookup": 9}, hold_s=30.0) == ([], None)


async def test_a_bridge_that_takes_the_call_over_gets_what_the_first_one_asked(
    redis_url: str, claims: Claims
) -> None:
    async with ToolQueue(redis_url) as first:
        first.attach("CA1", Caller().deliver)
        await first.submit(a_job())
    claim = await take_one(claims)
    heir = Caller()
    async with ToolQueue(redis_url) as second:
        second.attach("CA1", heir.deliver)
        await second.submit(a_job())

        await finish(claims, claim, an_outcome())

        assert await heir.heard() == [an_outcome()]


async def test_an_older_stream_that_leaves_late_does_not_take_its_calls_outcomes_along(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    heir = Caller()
    queue.attach("CA1", heir.deliver)
    queue.detach("CA1", caller.deliver)
    await queue.submit(a_job())
    claim = await take_one(claims)
    await claims.finish(claim, "CA1", an_outcome(), queued_ms=1, started_ms=2)

    assert await heir.heard() == [an_outcome()]


async def test_a_call_hears_only_its_own_outcomes_and_nothing_after_it_left(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    other = Caller()
    queue.attach("CA2", other.deliver)
    await queue.submit(a_job())
    await queue.submit(a_job("f2", call_sid="CA2"))
    queue.detach("CA1", caller.deliver)
    for _ in range(2):
        claim = await take_one(claims)
        job = decode_job(claim.record).job
        outcome = an_outcome(job.function_call_id)
        await claims.finish(claim, job.call_sid, outcome, queued_ms=1, started_ms=2)

    assert await other.heard() == [an_outcome("f2")]
    assert caller.outcomes == []


async def test_an_outcome_published_while_nobody_listened_is_caught_up_with(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(a_job())
    claim = await take_one(claims)
    queue._line.leave("CA1")  # the line is gone as far as Redis knows

    async def nobody_listens() -> bool:
        return not (await raw.pubsub_numsub("outcomes:CA1"))[0][1]

    await until(nobody_listens)
    await finish(claims, claim, an_outcome())
    queue._line.join("CA1")

    assert await caller.heard() == [an_outcome()]


async def test_a_cut_line_is_laid_again_and_nothing_is_missed(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    for n in range(30):
        await queue.submit(a_job(f"f{n}"))
        if n % 3 == 0:
            await raw.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await finish(claims, await take_one(claims), an_outcome(f"f{n}"))

    heard = await caller.heard(30)
    assert sorted(o.function_call_id for o in heard) == sorted(f"f{n}" for n in range(30))


async def test_connections_cut_while_jobs_are_put_on_lose_and_double_none(
    served: str, redis_url: str, raw: ArqRedis
) -> None:
    async def cut(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await asyncio.sleep(0.003)

    stop = asyncio.Event()
    cutting = asyncio.create_task(cut(stop))
    async with ToolQueue(redis_url, patience_s=PATIENTLY_S) as queue:
        for n in range(150):
            await queue.submit(a_job(f"f{n}"))
    stop.set()
    await cutting

    assert await raw.zcard(keys.queue_key("lookup")) == 150


async def test_jobs_that_redis_forgot_are_sent_again(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(a_job())
    await raw.flushall()
    await raw.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    await finish(claims, await take_one(claims), an_outcome())

    assert await caller.heard() == [an_outcome()]


async def test_without_redis_a_job_is_unavailable_with_something_to_say(tmp_path: Any) -> None:
    async with ToolQueue(f"unix://{tmp_path}/none.sock", patience_s=0.2) as queue:
        with pytest.raises(Unavailable) as refused:
            await queue.submit(a_job())

        assert refused.value.say.startswith("I can't see the calendar just now.")
        with pytest.raises(Unavailable):
            await queue.depth()


async def test_a_redis_that_hangs_is_given_up_in_time(tmp_path: Any) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    path = f"{tmp_path}/hung.sock"
    server = await asyncio.start_unix_server(say_nothing, path)
    async with ToolQueue(f"unix://{path}", patience_s=0.2) as queue:
        with pytest.raises(Unavailable):
            await queue.submit(a_job())
    server.close()


async def test_what_is_owed_reaches_the_queue_once_redis_is_back(
    redis_url: str, raw: ArqRedis
) -> None:
    told = '{"told":[{"function_call_id":"fc1","as":"done"}]}'
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        inner, outer = Path(redis_url.removeprefix("unix://")), Path(folder) / "s"
        async with (
            BreakableLine(inner, outer) as line,
            ToolQueue(f"unix://{outer}", patience_s=0.1) as queue,
        ):
            line.cut()
            await queue.submit(a_job(tool="note_told", arguments=told))
            assert await raw.zcard(keys.queue_key("settle")) == 0

            line.mend()

            async with asyncio.timeout(PATIENTLY_S):
                while await raw.zcard(keys.queue_key("settle")) == 0:
                    await asyncio.sleep(0.01)


async def test_what_is_owed_is_never_refused(redis_url: str, raw: ArqRedis) -> None:
    async with ToolQueue(redis_url) as queue:  # nobody serves anything here
        await queue.submit(a_job(tool="note_told", arguments='{"told":[]}'))

    assert await raw.zcard(keys.queue_key("settle")) == 1


async def test_an_unknown_tool_never_reaches_the_queue(queue: ToolQueue) -> None:
    with pytest.raises(BadArguments, match="find_slots"):
        await queue.submit(a_job(tool="make_tea"))


@pytest.mark.parametrize("tool", ["remember_details", "start_over"])
async def test_what_a_call_does_by_itself_never_reaches_the_queue(
    queue: ToolQueue, tool: str
) -> None:
    with pytest.raises(BadArguments, match="find_slots"):
        await queue.submit(a_job(tool=tool))


async def test_a_read_that_has_not_begun_is_taken_off_and_leaves_nothing(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(a_job("f1"))
    await queue.submit(a_job("f2"))

    assert await queue.cancel("CA1", "f1", "find_slots")

    taken, _ = await claims.take({"lookup": 9}, hold_s=30.0)
    assert [claim.job_id for claim in taken] == ["CA1:f2"]
    assert await raw.keys("*CA1:f1*") == []


async def test_a_read_that_runs_is_left_to_end_and_its_outcome_comes(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(a_job())
    claim = await take_one(claims)

    assert not await queue.cancel("CA1", "f1", "find_slots")

    assert await finish(claims, claim, an_outcome())
    assert await caller.heard() == [an_outcome()]


async def test_a_read_whose_result_is_there_keeps_it(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(a_job())
    await finish(claims, await take_one(claims), an_outcome())

    assert not await queue.cancel("CA1", "f1", "find_slots")

    assert await raw.exists("arq:result:CA1:f1")


async def test_cancelling_again_or_what_was_never_asked_is_nothing(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(a_job())
    await queue.submit(a_job(call_sid="CA2"))

    cancelled = [await queue.cancel("CA1", "f1", "find_slots") for _ in range(3)]
    unknown = await queue.cancel("CA9", "f1", "find_slots")

    assert cancelled == [True, False, False]
    assert not unknown
    assert await raw.zrange(keys.queue_key("lookup"), 0, -1) == [b"CA2:f1"]


async def test_a_read_that_was_given_back_has_not_begun(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(a_job())
    await claims.give_back(await take_one(claims))

    assert await queue.cancel("CA1", "f1", "find_slots")
    assert await claims.take({"lookup": 9}, hold_s=30.0) == ([], None)


async def test_a_read_of_a_dead_worker_is_taken_off_but_may_have_run(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(a_job())
    async with Claims(redis_url, QUEUES) as dead:
        await take_one(dead)
        await claims.release(dead.token)

        assert not await queue.cancel("CA1", "f1", "find_slots")

    assert await claims.take({"lookup": 9}, hold_s=30.0) == ([], None)


async def test_a_frozen_workers_late_result_of_a_cancelled_read_harms_nobody(
    redis_url: str, queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(a_job())
    async with Claims(redis_url, QUEUES) as frozen:
        claim = await take_one(frozen)
        await claims.release(frozen.token)
        await queue.cancel("CA1", "f1", "find_slots")

        await finish(frozen, claim, an_outcome())

    assert await caller.heard() == [an_outcome()]


async def test_a_cancelled_read_is_not_sent_again_when_the_line_is_new(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(a_job("f1"))
    await queue.cancel("CA1", "f1", "find_slots")
    await queue.submit(a_job("f2"))
    await raw.delete(keys.job_key("CA1:f2"), keys.queue_key("lookup"))
    await raw.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    claim = await take_one(claims)  # f2 was lost, and is sent again

    taken, _ = await claims.take({"lookup": 9}, hold_s=30.0)
    assert (claim.job_id, taken) == ("CA1:f2", [])


async def test_claims_and_cancels_side_by_side_never_both_have_a_job(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    ids = [f"f{n}" for n in range(60)]
    for function_call_id in ids:
        await queue.submit(a_job(function_call_id))

    async def take_all() -> list[str]:
        taken: list[str] = []
        for _ in ids:
            some, _ = await claims.take({"lookup": 1}, hold_s=30.0)
            taken += [claim.job_id.removeprefix("CA1:") for claim in some]
        return taken

    async def cancel_all() -> list[str]:
        return [id for id in reversed(ids) if await queue.cancel("CA1", id, "find_slots")]

    taken, cancelled = await asyncio.gather(take_all(), cancel_all())

    assert sorted(taken + cancelled) == sorted(ids)
    assert taken
    assert cancelled


@pytest.mark.parametrize("tool", ["book_appointment", "make_tea", "start_over"])
async def test_an_effect_is_never_taken_off(queue: ToolQueue, tool: str, raw: ArqRedis) -> None:
    await queue.submit(a_job(tool="book_appointment", effect=True))

    with pytest.raises(ValueError, match=tool):
        await queue.cancel("CA1", "f1", tool)

    assert await raw.zcard(keys.queue_key("booking")) == 1


async def test_without_redis_nothing_is_known_to_be_cancelled(tmp_path: Any) -> None:
    async with ToolQueue(f"unix://{tmp_path}/none.sock", patience_s=0.2) as queue:
        with pytest.raises(Unavailable):
            await queue.cancel("CA1", "f1", "find_slots")


async def test_the_depth_of_each_queue_is_known(queue: ToolQueue, claims: Claims) -> None:
    for n in range(3):
        await queue.submit(a_job(f"f{n}"))
    await take_one(claims)

    depths = {depth.queue: depth for depth in await queue.depth()}

    assert depths["lookup"].waiting == 2
    assert depths["lookup"].running == 1
    assert depths["lookup"].oldest_waiting_s >= 0.0
    assert depths["lookup"].workers == 1
    assert depths["booking"].waiting == 0


async def test_no_byte_of_pickle_lies_in_redis(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(a_job("f1"))
    await queue.submit(a_job("f2"))
    await finish(claims, await take_one(claims), an_outcome("f1"))
    await caller.heard()

    stored = [
        await raw.get(key) for key in await raw.keys("arq:*") if await raw.type(key) == b"string"
    ]
    assert len(stored) >= 2
    for value in stored:
        assert isinstance(msgspec.msgpack.decode(value), dict)
        assert not value.startswith(
            b"\x80"
        )  # what every pickle of protocol 2 and later begins with


async def test_a_stock_arq_client_can_read_our_queue(
    queue: ToolQueue, claims: Claims, caller: Caller, redis_url: str
) -> None:
    stock = ArqRedis(
        redis.asyncio.ConnectionPool.from_url(redis_url),
        job_deserializer=msgspec.msgpack.decode,
        job_serializer=msgspec.msgpack.encode,
    )
    key = keys.queue_key("lookup")
    job = Job("CA1:f1", stock, key, msgspec.msgpack.decode)
    statuses = []

    await queue.submit(a_job())
    statuses.append(await job.status())
    queued = await job.info()
    claim = await take_one(claims)
    statuses.append(await job.status())
    await finish(claims, claim, an_outcome())
    statuses.append(await job.status())
    result = await job.result_info()
    [listed] = await stock.all_job_results()
    await stock.aclose(close_connection_pool=True)

    assert statuses == [JobStatus.queued, JobStatus.in_progress, JobStatus.complete]
    assert queued is not None
    assert queued.function == "find_slots"
    assert result is not None
    assert result.success
    assert result.queue_name == key
    assert listed.result["content"] == '{"say": "Yes."}'
    assert listed.args == []


async def test_a_job_leaves_nothing_but_its_result(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await queue.submit(a_job())
    await finish(claims, await take_one(claims), an_outcome())
    await caller.heard()

    assert sorted(await raw.keys("*CA1*")) == [b"arq:result:CA1:f1"]
    assert await raw.zcard(keys.queue_key("lookup")) == 0
    assert 0 < await raw.pttl("arq:result:CA1:f1") <= keys.RESULT_KEPT_MS
