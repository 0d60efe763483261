"""``/v1/speak``, announcements and notes: the emulator's plain HTTP."""

import asyncio
import contextlib
import json

import httpx
import pytest
import uvloop
from websockets.asyncio.client import connect

from bridge.simulator.agent import running
from bridge.simulator.scenario import Action, AgentRule, CallerStep, Scenario

SPEAK = "/v1/speak?model=aura-2-thalia-en&encoding=mulaw&sample_rate=8000&container=none"
TEXT = {"text": "One moment, please."}


@pytest.fixture
async def http(emulator):
    async with httpx.AsyncClient(
        base_url=emulator.http_url, headers={"authorization": "Token key"}
    ) as client:
        yield client


async def test_text_is_spoken_as_raw_sound(http, voices):
    answer = await http.post(SPEAK, json=TEXT)

    assert answer.status_code == 200
    assert answer.content == voices.render(TEXT["text"], "agent")
    assert answer.headers["content-type"] == "audio/mulaw;rate=8000"
    assert answer.headers["dg-model-name"] == "aura-2-thalia-en"
    assert answer.headers["dg-char-count"] == "19"
    assert answer.headers["dg-request-id"]


async def test_a_pronunciation_is_understood_and_not_read_out(http, voices):
    told = r'One \{"word": "moment", "pronounce": "ˈmoʊmənt"\}, please.'

    answer = await http.post(SPEAK, json={"text": told})

    assert answer.content == voices.render(TEXT["text"], "agent")


async def test_a_wav_header_comes_unless_it_is_declined(http, voices):
    answer = await http.post(SPEAK.removesuffix("&container=none"), json=TEXT)

    assert answer.content[:4] == b"RIFF"
    assert answer.content.endswith(voices.render(TEXT["text"], "agent"))


async def test_plain_text_is_spoken_too(http):
    answer = await http.post(SPEAK, content="Hello.", headers={"content-type": "text/plain"})

    assert answer.status_code == 200


async def test_one_connection_serves_many_requests(http):
    for _ in range(3):
        assert (await http.post(SPEAK, json=TEXT)).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/speak?model=aura-2-nobody-en&encoding=mulaw", TEXT, 400),
        ("/v1/speak?encoding=mulaw&voice=thalia", TEXT, 400),
        ("/v1/speak?encoding=mulaw&sample_rate=44100", TEXT, 400),
        ("/v1/speak?encoding=mulaw&container=ogg", TEXT, 400),
        ("/v1/speak?encoding=mulaw&bit_rate=48000", TEXT, 400),
        ("/v1/speak?encoding=mulaw&speed=2", TEXT, 400),
        ("/v1/speak?encoding=mulaw&speed=fast", TEXT, 400),
        ("/v1/speak?encoding=midi", TEXT, 400),
        ("/v1/speak", TEXT, 400),
        (SPEAK, {"text": ""}, 400),
        (SPEAK, {"text": "  "}, 400),
        (SPEAK, {"words": "hello"}, 400),
        (SPEAK, ["hello"], 400),
        (SPEAK, {"text": "x" * 1001}, 422),
    ],
)
async def test_a_wrong_request_to_speak_is_refused(http, path, body, status):
    answer = await http.post(path, json=body)

    assert answer.status_code == status
    assert set(answer.json()) == {"err_code", "err_msg", "request_id"}


async def test_speech_wants_a_key_and_json(http):
    assert (await http.post(SPEAK, json=TEXT, headers={"authorization": ""})).status_code == 401
    bearer = {"authorization": "Bearer key"}
    assert (await http.post(SPEAK, json=TEXT, headers=bearer)).status_code == 401
    form = await http.post(SPEAK, data=TEXT)
    assert form.status_code == 415
    junk = await http.post(SPEAK, content="{", headers={"content-type": "application/json"})
    assert junk.status_code == 400


async def test_more_requests_than_slots_are_too_many(http, emulator):
    emulator.options.speak_slots = 1
    emulator.options.speak_delay_ms = 100

    answers = await asyncio.gather(*(http.post(SPEAK, json=TEXT) for _ in range(3)))

    assert sorted(answer.status_code for answer in answers) == [200, 429, 429]


async def test_speech_can_be_told_to_fail(http):
    await http.put("/simulator/options", json={"speak_status": 503})

    assert (await http.post(SPEAK, json=TEXT)).status_code == 503


async def test_options_are_checked(http, emulator):
    assert (await http.put("/simulator/options", json={"pace": 0})).status_code == 400
    assert (await http.put("/simulator/options", json={"no_such": 1})).status_code == 400
    assert (await http.put("/simulator/options", content="{")).status_code == 400
    assert emulator.options.pace == 100


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/", 404),
        ("GET", "/v1/agent/converse", 426),
        ("GET", "/v1/speak", 404),
        ("DELETE", "/simulator/calls/CA1", 405),
        ("GET", "/simulator/calls/CA%00", 404),
    ],
)
async def test_other_requests(http, method, path, status):
    assert (await http.request(method, path)).status_code == status


async def test_what_is_no_http_is_dropped(emulator):
    reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
    writer.write(b"\x16\x03\x01 what is this\r\n\r\n")
    await writer.drain()

    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_a_call_is_announced_by_name_or_whole(http, emulator):
    named = await http.put("/simulator/calls/CA5", json={"scenario": "lookup"})
    whole = await http.put(
        "/simulator/calls/CA6", json={"name": "own", "summary": "sent along", "agent": []}
    )

    assert (named.json()["scenario"], whole.json()["scenario"]) == ("lookup", "own")
    assert emulator.board.call("CA6").scenario.summary == "sent along"


@pytest.mark.parametrize(
    "body", [{"scenario": "no-such"}, {"name": "x"}, [], {"name": "x", "summary": "y", "z": 1}]
)
async def test_an_announcement_without_a_scenario_is_refused(http, body):
    assert (await http.put("/simulator/calls/CA5", json=body)).status_code == 400


async def test_notes_stream_from_before_the_call_until_its_end(http, dial):
    line = "I would like to book a cleaning please."
    call = Scenario(
        name="noted",
        summary="a short call",
        caller=[CallerStep(say=line)],
        agent=[AgentRule(hears=["cleaning"], do=[Action(say="Which day?")])],
    )

    async def read():
        async with http.stream("GET", "/simulator/calls/CA9/events") as answer:
            return [json.loads(line) async for line in answer.aiter_lines()]

    async with dial(call, call_sid="CA9") as client:
        reading = asyncio.create_task(read())
        await client.say(line)
        await client.until("AgentAudioDone")
    notes = await asyncio.wait_for(reading, 10)

    kinds = [note["kind"] for note in notes]
    assert set(kinds) == {
        "session",
        "settings",
        "speech_started",
        "speech_ended",
        "heard",
        "said",
        "spoken",
        "ended",
    }
    assert next(note for note in notes if note["kind"] == "heard")["text"] == line
    at = {note["kind"]: note["at"] for note in notes}
    assert at["speech_started"] < at["heard"] < at["said"] <= at["ended"]


def test_the_emulator_runs_on_uvloop_too(voices):
    async def both_doors():
        async with running(voices=voices) as emulator, httpx.AsyncClient() as http:
            answer = await http.get(f"{emulator.http_url}/healthz")
            headers = {"Authorization": "Token key"}
            async with connect(emulator.agent_url, additional_headers=headers) as socket:
                return answer.status_code, await socket.recv()

    status, welcome = uvloop.run(both_doors())

    assert status == 200
    assert '"Welcome"' in welcome


async def test_the_emulator_stops_at_once_whoever_is_still_connected(voices):
    headers = {"Authorization": "Token key", "x-deepgram-session-id": "CA1"}
    async with asyncio.timeout(5), httpx.AsyncClient() as http:
        async with running(voices=voices) as emulator:
            socket = await connect(emulator.agent_url, additional_headers=headers)
            await socket.recv()
            events = f"{emulator.http_url}/simulator/calls/CA1/events"
            reading = asyncio.create_task(http.get(events))
            while not emulator.board.call("CA1").sessions:
                await asyncio.sleep(0)
        await socket.wait_closed()
        with contextlib.suppress(httpx.HTTPError):
            await reading

    assert socket.close_code == 1001
