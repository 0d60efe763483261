"""Real worker processes on a real Redis and a real SQLite file."""

import asyncio
import json
import signal
import sqlite3
import time
from typing import Any

from tests.tools.chat_endpoint import Server, answers, says
from tools import keys
from tools.connections import connect
from tools.contract import Done, Failed
from tools.leases import LEASE_S


def content(outcome: Any) -> Any:
    assert isinstance(outcome, Done), outcome
    return json.loads(outcome.content)


def appointments(sqlite_url: str) -> int:
    file = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    [(count,)] = file.execute("select count(*) from appointments where call_sid = 'CA1'")
    file.close()
    return int(count)


async def test_a_caller_finds_a_time_books_it_and_finds_it_again(
    start_worker: Any, bridge: Any, sqlite_url: str
) -> None:
    start_worker()
    await bridge.ask("f1")
    offer = content(await bridge.answer("f1"))["offers"][0]
    wanted = {
        "service": "cleaning", "start": offer["start"], "patient_name": "Ann Lee",
        "phone": "555 010 0122",
    }  # fmt: skip

    for function_call_id in ("f2", "f3"):  # the model asks twice under two ids
        await bridge.ask(
            function_call_id,
            tool="book_appointment",
            arguments=json.dumps(wanted),
            effect=True,
        )
    booked, again = content(await bridge.answer("f2")), content(await bridge.answer("f3"))
    await bridge.ask("f4", tool="lookup_appointment", arguments='{"phone": "+15550100122"}')
    found = content(await bridge.answer("f4"))

    assert booked["result"] == "booked"
    assert again == booked
    assert [each["start"] for each in found["appointments"]] == [offer["start"]]
    assert appointments(sqlite_url) == 1


TALK = json.dumps({"said": [{"by": "caller", "text": "I want to come on Tuesday. Hm. Well."}]})


async def test_what_was_said_is_condensed_by_the_endpoint_of_the_settings(
    start_worker: Any, bridge: Any
) -> None:
    async with Server(says("She wants Tuesday.")) as endpoint:
        start_worker(SUMMARY_URL=endpoint.url, SUMMARY_MODEL="small", SUMMARY_API_KEY="sk-1")
        await bridge.ask("s1", tool="summarise", arguments=TALK)

        made = content(await bridge.answer("s1"))

    assert made == {"result": "summary", "summary": "She wants Tuesday.", "by": "model"}
    assert endpoint.requests[0].headers["authorization"] == "Bearer sk-1"


async def test_without_an_endpoint_or_with_one_that_fails_sentences_are_chosen(
    start_worker: Any, bridge: Any
) -> None:
    async with Server(answers(500)) as endpoint:
        worker = start_worker(SUMMARY_URL=endpoint.url, SUMMARY_MODEL="small")
        await bridge.ask("s1", tool="summarise", arguments=TALK)
        failed = content(await bridge.answer("s1"))
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0
        without = start_worker()
        await bridge.ask("s2", tool="summarise", arguments=TALK)
        chosen = content(await bridge.answer("s2"))

    assert failed == chosen
    assert chosen["summary"] == ("Caller: I want to come on Tuesday.\nCaller: Hm.\nCaller: Well.")
    assert "Tuesday" not in worker.said() + without.said()


async def test_arguments_that_cannot_be_are_answered_and_the_worker_goes_on(
    start_worker: Any, bridge: Any
) -> None:
    worker = start_worker()
    poison = ["", "[]", "{", '{"service": {"a": 1}}', '{"service": "' + "x" * 9000 + '"}', "\x00"]
    for n, arguments in enumerate(poison):
        await bridge.ask(f"p{n}", arguments=arguments)
    await bridge.ask("f1")

    refused = [await bridge.answer(f"p{n}") for n in range(len(poison))]

    assert {outcome.code for outcome in refused if isinstance(outcome, Failed)} == {"bad_arguments"}
    assert content(await bridge.answer("f1"))["result"] == "offers"
    assert worker.process.poll() is None


async def test_bytes_that_are_no_job_are_taken_off_and_the_worker_goes_on(
    start_worker: Any, bridge: Any, redis_url: str
) -> None:
    import pickle

    raw = connect(redis_url)
    for n, record in enumerate([b"", b"\xff\xff", pickle.dumps({"f": "x"}), b"\x81\xa1f\xa1x"]):
        await raw.set(keys.job_key(f"junk{n}"), record)
        await raw.zadd(keys.queue_key("lookup"), {f"junk{n}": time.time() * 1000})
    start_worker()
    await bridge.ask("f1")

    assert content(await bridge.answer("f1"))["result"] == "offers"
    async with asyncio.timeout(30):
        while await raw.zcard(keys.queue_key("lookup")):
            await asyncio.sleep(0.02)
    assert await raw.keys("arq:job:*") == []
    await raw.aclose()


async def test_two_workers_share_what_there_is(start_worker: Any, bridge: Any, gate: Any) -> None:
    for _ in range(2):
        start_worker(gated=True, WORKER_SLOTS="1")
    await bridge.workers(2)
    for n in range(2):
        await bridge.at_gate(f"f{n}")

    processes = {await gate.came() for _ in range(2)}
    gate.open(2)
    by = {content(await bridge.answer(f"f{n}"))["by"] for n in range(2)}

    assert len(processes) == len(by) == 2


async def test_a_hung_tool_holds_up_no_other_queue(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    start_worker(gated=True, WORKER_SLOTS="1")
    await bridge.at_gate("hung")
    await gate.came()
    await bridge.at_gate("behind")

    await bridge.ask(
        "booking",
        tool="book_appointment",
        arguments=json.dumps(
            {
                "service": "x",
                "start": "2026-12-01T09:00",
                "patient_name": "A",
                "phone": "5550100122",
            }
        ),
    )
    await gate.came()
    [summary] = await bridge.queue.depth(["summary"])

    assert (summary.running, summary.waiting) == (1, 1)
    gate.open(3)
    for function_call_id in ("hung", "behind", "booking"):
        assert content(await bridge.answer(function_call_id))["say"] == "Done."


async def test_a_killed_workers_job_is_finished_by_another(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    first = start_worker(gated=True)
    await bridge.at_gate("f1")
    await gate.came()
    second = start_worker(gated=True)

    first.signal(signal.SIGKILL)
    assert str(second.process.pid) in await gate.came()
    gate.open()

    assert content(await bridge.answer("f1"))["by"] == second.process.pid


async def test_a_frozen_workers_job_is_finished_once_and_by_another(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    first = start_worker(gated=True)
    await bridge.at_gate("f1")
    await gate.came()
    second = start_worker(gated=True)
    first.signal(signal.SIGSTOP)
    await gate.came()

    gate.open(2)
    by = content(await bridge.answer("f1"))["by"]
    first.signal(signal.SIGCONT)
    await bridge.at_gate("f2")
    await gate.came()
    gate.open()
    await bridge.answer("f2")

    assert by == second.process.pid
    assert content(bridge.outcomes["f1"])["by"] == second.process.pid


async def test_a_tool_that_blocks_its_process_keeps_its_lease(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    first = start_worker(gated=True)
    await bridge.at_gate("f1", "block")
    await gate.came()
    start_worker(gated=True)

    answer = content(await bridge.answer("f1"))

    assert answer["by"] == first.process.pid
    assert LEASE_S > 0


async def test_a_worker_told_to_stop_finishes_what_runs_and_takes_nothing_new(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    worker = start_worker(gated=True)
    await bridge.at_gate("f1")
    await gate.came()

    for _ in range(3):  # a platform may say it to the group and to the process
        worker.signal(signal.SIGTERM)
    await bridge.workers(0)
    await bridge.at_gate("f2")
    gate.open()

    assert content(await bridge.answer("f1"))["say"] == "Done."
    assert await worker.ended() == 0
    [summary] = await bridge.queue.depth(["summary"])
    assert (summary.waiting, summary.running) == (1, 0)


async def test_what_cannot_be_finished_in_time_is_given_back_untried(
    start_worker: Any, bridge: Any, gate: Any, redis_url: str
) -> None:
    worker = start_worker(gated=True, WORKER_DRAIN_S="0.1")
    await bridge.at_gate("f1")
    await gate.came()

    worker.signal(signal.SIGINT)
    assert await worker.ended() == 0
    raw = connect(redis_url)
    tries = await raw.get("arq:retry:CA1:f1")
    await raw.aclose()
    heir = start_worker(gated=True)
    await gate.came()
    gate.open()

    # On a machine that stood still for longer than a lease there was nothing left to give back.
    kept_its_lease = "given=True" in worker.log.read_text()
    assert tries == (b"0" if kept_its_lease else b"1")
    assert content(await bridge.answer("f1"))["by"] == heir.process.pid


async def test_a_job_that_kills_every_worker_is_stopped_and_the_caller_is_told(
    start_worker: Any, bridge: Any, gate: Any
) -> None:
    await bridge.at_gate("f1")
    for _ in range(2):
        victim = start_worker(gated=True)
        await gate.came()
        victim.signal(signal.SIGKILL)
        await victim.ended()
    survivor = start_worker(gated=True)

    outcome = await bridge.answer("f1")
    [letter] = await bridge.queue.dead()

    assert isinstance(outcome, Failed)
    assert outcome.code == "internal"
    assert (letter.job_id, letter.code, letter.tries) == ("CA1:f1", "poison", 3)
    assert survivor.process.poll() is None


async def test_a_worker_serves_only_the_queues_it_was_given(start_worker: Any, bridge: Any) -> None:
    start_worker(WORKER_QUEUES="booking")
    async with asyncio.timeout(30):
        while (await bridge.queue.depth(["booking"]))[0].workers != 1:
            await asyncio.sleep(0.02)
    await bridge.ask("f1")

    [lookup] = await bridge.queue.depth(["lookup"])

    assert (lookup.waiting, lookup.workers) == (1, 0)


async def test_a_wrong_setting_ends_the_start_with_its_name(start_worker: Any) -> None:
    worker = start_worker(WORKER_QUEUES="booking,tea")

    assert await worker.ended() == 2
    assert "WORKER_QUEUES: expected names" in worker.said()


async def test_no_line_of_the_log_tells_who_called(start_worker: Any, bridge: Any) -> None:
    worker = start_worker(LOG_LEVEL="DEBUG")
    await bridge.ask("f1", tool="lookup_appointment", arguments='{"phone": "+15550100123"}')
    assert content(await bridge.answer("f1"))["appointments"]
    worker.signal(signal.SIGTERM)
    await worker.ended()

    lines = [json.loads(line) for line in worker.said().splitlines()]
    assert "15550100123" not in worker.said()
    assert "Lopez" not in worker.said()
    [done] = [line for line in lines if line["event"] == "job_done"]
    assert done["call_sid"] == "CA1"
    assert done["function_call_id"] == "f1"
