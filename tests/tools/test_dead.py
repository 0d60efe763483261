"""Dead letters: kept, looked through, tried again, forgotten."""

import asyncio

import msgspec
from arq import ArqRedis

from tests.tools.queueing import (
    Caller,
    a_job,
    an_effect,
    an_outcome,
    booked,
    failed,
    finish,
    take_one,
)
from tools import keys
from tools.claims import Claim, Claims
from tools.queue import ToolQueue
from tools.records import decode_job

ARGUMENTS = '{"patient_name": "Ann Lee", "phone": "5550100122"}'


async def dies(queue: ToolQueue, claims: Claims, function_call_id: str = "f1") -> Claim:
    await queue.submit(an_effect(function_call_id, arguments=ARGUMENTS, idempotency_key="book:k"))
    claim = await take_one(claims)
    await finish(claims, claim, failed("internal", function_call_id), dead="internal")
    return claim


async def test_a_dead_letter_is_listed_with_what_is_known_and_nothing_of_the_patient(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await dies(queue, claims)

    [letter] = await queue.dead()

    assert (letter.job_id, letter.tool, letter.code) == ("CA1:f1", "book_appointment", "internal")
    assert (letter.tries, letter.worker, letter.queue) == (1, claims.token, "booking")
    assert letter.died_utc > 1e9
    assert "Ann Lee" not in str(await raw.xrange(keys.DEAD_KEY))
    assert 0 < await raw.pttl(keys.dead_record_key("CA1:f1")) <= keys.DEAD_KEPT_MS
    assert await caller.heard() == [failed("internal")]


async def test_tried_again_it_is_another_job_with_the_same_key_and_a_new_budget(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    claim = await dies(queue, claims)

    new_id = await queue.retry("CA1:f1")
    again = await take_one(claims)

    old, new = decode_job(claim.record).job, decode_job(again.record).job
    assert again.job_id == new_id == new.job_id != old.job_id
    assert again.live is False
    assert new.asked_utc >= old.asked_utc
    assert msgspec.structs.replace(new, asked_utc=0.0, function_call_id="") == (
        msgspec.structs.replace(old, asked_utc=0.0, function_call_id="")
    )
    assert await queue.dead() == []


async def test_what_the_caller_was_told_stays_when_it_is_tried_again(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await dies(queue, claims)
    await queue.retry("CA1:f1")
    again = await take_one(claims)
    await finish(claims, again, booked(decode_job(again.record).job.function_call_id))

    await queue.submit(an_effect())

    told = [each for each in await caller.heard(3) if each.function_call_id == "f1"]
    assert told == [failed("internal"), failed("internal")]


async def test_two_operators_try_it_again_once(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await dies(queue, claims)

    new_ids = await asyncio.gather(queue.retry("CA1:f1"), queue.retry("CA1:f1"))

    assert sum(each is not None for each in new_ids) == 1
    assert await raw.zcard(keys.queue_key("booking")) == 1


async def test_it_is_tried_again_behind_all_that_callers_wait_for(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await dies(queue, claims)
    await queue.retry("CA1:f1")
    await queue.submit(an_effect("f2"))

    taken, _ = await claims.take({"booking": 2}, hold_s=30.0)

    assert taken[0].job_id == "CA1:f2"


async def test_what_is_no_job_any_more_cannot_be_tried_again(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    await dies(queue, claims, "expired")
    await raw.delete(keys.dead_record_key("CA1:expired"))
    await raw.set(keys.job_key("junk"), b"\xff\xff")
    await raw.zadd(keys.queue_key("lookup"), {"junk": 1})
    await claims.discard(await take_one(claims))

    assert [await queue.retry(id) for id in ("CA1:expired", "junk", "CA9:f9")] == [None] * 3
    assert [letter.code for letter in await queue.dead()] == ["unreadable", "internal"]
    assert await raw.zcard(keys.queue_key("lookup")) == 0
    assert await raw.exists(keys.job_key("junk")) == 0


async def test_all_are_forgotten_with_their_records(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    for function_call_id in ("f1", "f2"):
        await dies(queue, claims, function_call_id)

    assert await queue.purge_dead() == 2

    assert await queue.purge_dead() == 0
    assert await raw.keys("tool:dead*") in ([], [b"tool:dead"])
    assert await queue.dead() == []


async def test_dead_letters_and_log_are_cut_where_they_grow_too_long(
    queue: ToolQueue, claims: Claims, caller: Caller, raw: ArqRedis
) -> None:
    for stream, length in ((keys.DEAD_KEY, keys.DEAD_LENGTH), (keys.LOG_KEY, keys.LOG_LENGTH)):
        async with raw.pipeline(transaction=False) as many:
            for _ in range(length + 500):
                many.xadd(stream, {"id": "x"})
            await many.execute()

    await dies(queue, claims)

    # "~" leaves up to a node of the stream more than it was asked for
    assert await raw.xlen(keys.DEAD_KEY) <= keys.DEAD_LENGTH + 200
    assert await raw.xlen(keys.LOG_KEY) <= keys.LOG_LENGTH + 200


async def test_every_job_that_ended_is_in_the_log(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    await queue.submit(a_job("f1"))
    claim = await take_one(claims)
    await claims.finish(claim, "CA1", an_outcome(), queued_ms=1000, started_ms=1250, late=True)
    await dies(queue, claims, "f2")

    second, first = await queue.ended()
    [newest] = await queue.ended(1)

    assert (first.job_id, first.tool, first.outcome) == ("CA1:f1", "find_slots", "done")
    assert (first.waited_ms, first.tries, first.late) == (250, 1, True)
    assert first.worker == claims.token
    assert (second.job_id, second.outcome, second.late) == ("CA1:f2", "internal", False)
    assert newest == second


async def test_a_result_that_does_not_count_is_not_in_the_log(
    queue: ToolQueue, claims: Claims, caller: Caller
) -> None:
    claim = await dies(queue, claims)

    assert not await finish(claims, claim, booked(), dead="internal")

    assert len(await queue.ended()) == 1
    assert len(await queue.dead()) == 1
