"""Whole calls of the fake Twilio against a bridge of sixty lines, over real sockets."""

import asyncio
import base64
import json
import wave
from itertools import pairwise

import httpx
import pytest
from twilio.request_validator import RequestValidator

from bridge.simulator import events, scenario
from bridge.simulator.knobs import Knobs, Mischief, Timings, Weather
from bridge.simulator.scenario import CallerStep
from bridge.simulator.wav import write_wav
from bridge.wire import mulaw
from tests.simulator.tiny_bridge import (
    CONNECT,
    FAST,
    PUBLIC_URL,
    TOKEN,
    Peer,
    StubVoices,
    bridge_with,
    call,
    silent_until_the_end,
    tone,
)

SAY = CallerStep(say="hello there, are you open", at_ms=40)
HANG_UP = CallerStep(hangup=True, at_ms=500)


async def test_a_call_goes_through_and_ends_when_the_caller_hangs_up() -> None:
    heard: list[dict] = []

    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            heard.append(message)

    async with bridge_with(media) as bridge:
        report = await call(bridge, SAY, HANG_UP)

    assert report.ok, report.warnings
    assert report.outcome == "caller_hung_up"
    assert [message["event"] for message in heard[:2]] == ["connected", "start"]
    assert heard[-1]["event"] == "stop"
    assert heard[-1]["stop"]["callSid"] == report.call_sid
    assert bridge.peers[0].close_code == 1000
    start = heard[1]
    assert start["sequenceNumber"] == "1"
    assert start["start"]["customParameters"] == {"tok": "t1"}
    assert start["start"]["mediaFormat"]["sampleRate"] == 8000
    numbers = [int(message["sequenceNumber"]) for message in heard[1:]]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_the_bridge_receives_the_clip_byte_for_byte_on_frame_boundaries() -> None:
    frames: list[bytes] = []

    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "media":
                frames.append(base64.b64decode(message["media"]["payload"]))

    async with bridge_with(media) as bridge:
        await call(bridge, SAY, HANG_UP)

    clip = StubVoices().render(SAY.say, "caller")
    clip_frames = [clip[at : at + 160] for at in range(0, len(clip), 160)]
    begin = frames.index(clip_frames[0])
    assert frames[begin : begin + len(clip_frames) - 1] == clip_frames[:-1]
    assert frames[begin + len(clip_frames) - 1][: len(clip_frames[-1])] == clip_frames[-1]
    assert {len(frame) for frame in frames} == {160}


async def test_webhook_handshake_and_callbacks_satisfy_the_official_validator() -> None:
    async with bridge_with(silent_until_the_end) as bridge:
        await call(bridge, HANG_UP, status_callback_url=PUBLIC_URL + "/status")

    validator = RequestValidator(TOKEN)
    assert bridge.paths()[0] == "/twilio/voice"
    assert sorted(bridge.paths()[1:]) == ["/status", "/stream-status", "/stream-status"]
    for path, headers, form in bridge.requests:
        signature = headers["x-twilio-signature"]
        assert validator.validate(PUBLIC_URL + path, dict(form), signature), path
        assert headers["i-twilio-idempotency-token"]
    shake = bridge.handshakes[0].headers
    wss_url = "wss://bridge.example.com/twilio/media"
    assert validator.validate(wss_url, {}, shake["x-twilio-signature"])
    assert "sec-websocket-extensions" not in shake
    assert "sec-websocket-protocol" not in shake


async def test_what_is_heard_is_recorded_when_it_is_heard_and_marks_come_back() -> None:
    spoken = tone(400)
    back: list[str] = []

    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start":
                peer.play(spoken[:1600])
                peer.mark("first")
                peer.play(spoken[1600:])
                peer.mark("second")
            if message["event"] == "mark":
                back.append(message["mark"]["name"])

    async with bridge_with(media) as bridge:
        report = await call(bridge, CallerStep(hangup=True, after_agent_ms=200))

    assert report.ok
    assert report.heard_track.strip(b"\xff") == spoken.strip(b"\xff")
    (heard,) = report.heard
    assert report.heard_between(heard.at_s, heard.until_s) == spoken.strip(b"\xff")
    assert len(report.caller_track) == len(report.heard_track)
    assert back == ["first", "second"]
    echoes = [event for event in report.events if isinstance(event, events.MarkEchoed)]
    opened_at = next(one.at for one in report.events if isinstance(one, events.StreamOpened))
    assert all(echo.reached for echo in echoes)
    assert echoes[0].at - opened_at >= 0.2
    assert echoes[1].at - echoes[0].at == pytest.approx(0.2, abs=0.0201)
    assert report.figures.marks_left == 0
    assert report.figures.answer_ms == mulaw.duration_ms(report.heard_track.index(spoken[:160]))


async def test_barging_in_is_measured_and_what_was_cut_is_counted() -> None:
    returned: list[str] = []

    async def media(peer: Peer) -> None:
        frames = 0
        async for message in peer.messages():
            if message["event"] == "start":
                peer.play(tone(5000))
                peer.mark("end")
            if message["event"] == "media":
                frames += base64.b64decode(message["media"]["payload"])[0] == 0x10
                if frames == 5:
                    peer.clear()
            if message["event"] == "mark":
                returned.append(message["mark"]["name"])

    async with bridge_with(media) as bridge:
        report = await call(
            bridge,
            CallerStep(say="no, wait a moment please", barge_in_ms=300),
            CallerStep(hangup=True, after_silence_ms=200),
        )

    (barge_in,) = report.figures.barge_ins
    assert barge_in.heard_ms >= 280
    assert barge_in.stop_ms >= 60
    assert barge_in.heard_ms + barge_in.stop_ms + barge_in.cut_ms == pytest.approx(5000, abs=2)
    assert returned == ["end"]
    assert report.figures.marks_returned == 1
    spoke = next(one for one in report.events if isinstance(one, events.CallerSpoke))
    assert spoke.over_agent_ms == pytest.approx(300, abs=41)


async def test_turn_gaps_run_from_the_end_of_speech_to_the_first_sound_of_the_answer() -> None:
    async def media(peer: Peer) -> None:
        silent = 0
        answered = True
        async for message in peer.messages():
            if message["event"] != "media":
                continue
            loud = base64.b64decode(message["media"]["payload"])[0] in (0x10, 0x90)
            if loud:
                answered, silent = False, 0
            silent += not loud
            if silent == 15 and not answered:
                answered = True
                peer.play(bytes([0xFF]) * 800 + tone(300))

    async with bridge_with(media) as bridge:
        report = await call(
            bridge,
            SAY,
            CallerStep(say="thank you so much"),
            CallerStep(hangup=True, after_agent_ms=100),
        )

    first, second = report.figures.turn_gaps
    assert (first.said, second.said) == (SAY.say, "thank you so much")
    # 300 ms until the bridge answers, 100 ms of silence before its first sound.
    assert first.gap_ms >= 399
    assert report.figures.unanswered == []


async def test_when_the_bridge_closes_cleanly_the_action_is_requested_and_played() -> None:
    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start":
                peer.close(1000)

    async with bridge_with(media) as bridge:
        bridge.documents["/next"] = (200, "<Response><Say>Goodbye now</Say><Hangup/></Response>")
        report = await call(bridge, CallerStep(hangup=True, after_agent_ms=60_000))

    assert report.ok
    assert report.outcome == "bridge_hung_up"
    assert report.streams[0].closed_by == "bridge"
    assert report.streams[0].close_code == 1000
    assert "/never" not in bridge.paths()
    assert [warning.code for warning in report.warnings] == [31921]
    assert StubVoices().render("Goodbye now", "agent")[:160] in report.heard_track
    form = next(dict(form) for path, _, form in bridge.requests if path == "/next")
    assert form["CallStatus"] == "in-progress"


async def test_a_second_stream_is_a_new_stream_of_the_same_call() -> None:
    starts: list[dict] = []

    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start":
                starts.append(message)
                if len(starts) == 1:
                    peer.close(1000)

    async with bridge_with(media) as bridge:
        bridge.documents["/next"] = (200, CONNECT.replace("t1", "t2"))
        report = await call(bridge, CallerStep(hangup=True, at_ms=400))

    first, second = (start["start"] for start in starts)
    assert first["callSid"] == second["callSid"] == report.call_sid
    assert first["streamSid"] != second["streamSid"]
    assert starts[1]["sequenceNumber"] == "1"
    assert second["customParameters"] == {"tok": "t2"}
    assert len(report.streams) == 2


@pytest.mark.parametrize(("ends_call", "outcome"), [(False, "bridge_hung_up"), (True, "lost")])
async def test_a_socket_that_dies_goes_on_or_ends_the_call(ends_call: bool, outcome: str) -> None:
    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start":
                peer.abort()
                return

    knobs = Knobs(timings=FAST, loss_ends_call=ends_call, expected_warnings=(31903,))
    async with bridge_with(media) as bridge:
        report = await call(bridge, knobs=knobs)

    assert report.outcome == outcome
    assert [warning.code for warning in report.warnings] == [31903]
    assert report.unexpected_warnings == []
    assert ("/next" in bridge.paths()) is not ends_call
    statuses = [dict(form)["StreamEvent"] for path, _, form in bridge.requests
                if path == "/stream-status"]  # fmt: skip
    assert sorted(statuses) == ["stream-error", "stream-started"]


@pytest.mark.parametrize("kind", ["wrong", "missing"])
async def test_a_forged_webhook_is_really_forged(kind: str) -> None:
    async with bridge_with(silent_until_the_end) as bridge:
        bridge.documents["/twilio/voice"] = (403, "")
        mischief = Mischief(webhook_signature=kind)
        report = await call(bridge, knobs=Knobs(timings=FAST, mischief=mischief))

    path, headers, form = bridge.requests[0]
    validator = RequestValidator(TOKEN)
    assert not validator.validate(PUBLIC_URL + path, dict(form), headers["x-twilio-signature"])
    assert report.outcome == "failed"
    assert report.why == "HTTP 403"
    assert not report.ok


async def test_a_tampered_parameter_does_not_match_its_signature() -> None:
    async with bridge_with(silent_until_the_end) as bridge:
        await call(
            bridge, HANG_UP, knobs=Knobs(timings=FAST, mischief=Mischief(tampered_parameter=True))
        )

    path, headers, form = bridge.requests[0]
    validator = RequestValidator(TOKEN)
    assert not validator.validate(PUBLIC_URL + path, dict(form), headers["x-twilio-signature"])


@pytest.mark.parametrize("kind", ["wrong", "missing"])
async def test_a_refused_handshake_is_noted_and_the_call_goes_on(kind: str) -> None:
    async with bridge_with(silent_until_the_end) as bridge:
        bridge.refuse_with = 403
        knobs = Knobs(timings=FAST, mischief=Mischief(handshake_signature=kind))
        report = await call(bridge, knobs=knobs)

    signature = bridge.handshakes[0].headers.get("x-twilio-signature", "")
    assert not RequestValidator(TOKEN).validate(
        "wss://bridge.example.com/twilio/media", {}, signature
    )
    assert [warning.code for warning in report.warnings] == [31920]
    assert "/next" in bridge.paths()
    assert not report.ok


async def test_a_foreign_token_and_junk_reach_the_bridge_as_ordered() -> None:
    seen: list = []

    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            seen.append(message)

    mischief = Mischief(
        parameters={"tok": "of another call"},
        junk=('{"event":"nonsense","streamSid":"{stream_sid}"}',),
        binary_junk=(b"\x00\x01",),
    )
    async with bridge_with(media) as bridge:
        report = await call(bridge, HANG_UP, knobs=Knobs(timings=FAST, mischief=mischief))

    assert seen[1]["start"]["customParameters"] == {"tok": "of another call"}
    assert seen[2] == {"event": "nonsense", "streamSid": report.streams[0].stream_sid}


async def test_a_replayed_token_is_tried_on_a_second_socket() -> None:
    used: set[str] = set()

    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start":
                token = message["start"]["customParameters"]["tok"]
                if token in used:
                    peer.close(1008)
                used.add(token)

    async with bridge_with(media) as bridge:
        report = await call(
            bridge,
            CallerStep(hangup=True, at_ms=600),
            knobs=Knobs(timings=FAST, mischief=Mischief(replay=True)),
        )

    assert report.replay_close_code == 1008
    assert bridge.peers[0].start["streamSid"] == bridge.peers[1].start["streamSid"]
    assert report.outcome == "caller_hung_up"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", 31951),
        ('{"event":"media","streamSid":"MZother","media":{"payload":""}}', 31951),
        ('{"event":"mark","streamSid":"%s"}', 31951),
        ('{"event":"clear","streamSid":"%s","extra":1}', 31951),
    ],
)
async def test_what_twilio_would_refuse_fails_the_run_once(text: str, code: int) -> None:
    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start":
                wrong = text.replace("%s", peer.stream_sid)
                peer.text(wrong)
                peer.text(wrong)

    async with bridge_with(media) as bridge:
        report = await call(bridge, HANG_UP)

    assert [warning.code for warning in report.warnings] == [code]
    assert not report.ok


async def test_an_echoed_start_ends_the_stream_without_a_close_frame() -> None:
    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start":
                peer.text(json.dumps(message))

    async with bridge_with(media) as bridge:
        report = await call(bridge)

    assert [warning.code for warning in report.warnings] == [31924]
    assert report.streams[0].closed_by == "protocol"
    assert bridge.peers[0].close_code is None
    assert "/next" in bridge.paths()


async def test_a_bridge_that_does_not_read_loses_frames_and_is_told_once() -> None:
    told = asyncio.Event()

    async def media(peer: Peer) -> None:
        await told.wait()
        await silent_until_the_end(peer)

    def watch(event) -> None:
        if isinstance(event, events.WarningNoted):
            told.set()

    knobs = Knobs(
        timings=FAST,
        mischief=Mischief(binary_junk=(bytes(8_000_000),)),  # fills every buffer on the way
        expected_warnings=(31930,),
    )
    async with bridge_with(media) as bridge:
        steps = (CallerStep(wait_ms=200, after_silence_ms=0), HANG_UP)
        report = await call(bridge, *steps, knobs=knobs, on_event=watch)

    assert [warning.code for warning in report.warnings] == [31930]
    assert report.streams[0].dropped_frames >= 1


async def test_keys_arrive_in_the_stream_and_in_a_gather() -> None:
    digits: list[str] = []

    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "dtmf":
                assert message["dtmf"]["track"] == "inbound_track"
                digits.append(message["dtmf"]["digit"])
                peer.close(1000)

    async with bridge_with(media) as bridge:
        bridge.documents["/next"] = (
            200,
            '<Response><Gather numDigits="2" action="/keys"/></Response>',
        )
        bridge.documents["/keys"] = (200, "<Response/>")
        report = await call(
            bridge,
            CallerStep(press="0", at_ms=40),
            CallerStep(press="4", at_ms=400),
            CallerStep(press="2", at_ms=440),
        )

    assert digits == ["0"]
    form = next(dict(form) for path, _, form in bridge.requests if path == "/keys")
    assert form["Digits"] == "42"
    assert report.ok


async def test_speech_while_no_stream_is_up_is_lost_and_counted() -> None:
    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start" and len(bridge.peers) == 1:
                peer.close(1000)

    async with bridge_with(media) as bridge:
        bridge.documents["/next"] = (200, CONNECT)
        knobs = Knobs(timings=Timings(handshake_s=0, first_media_s=(0, 0), seam_s=2.0))
        report = await call(
            bridge, CallerStep(say="can you hear me", after_silence_ms=800), HANG_UP, knobs=knobs
        )

    assert report.figures.lost_speech_ms > 0
    assert any(isinstance(event, events.SpeechLost) for event in report.events)


async def test_the_log_has_every_event_and_message_one_json_object_a_line(tmp_path) -> None:
    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start":
                peer.play(tone(40))

    path = tmp_path / "call.jsonl"
    async with bridge_with(media) as bridge:
        report = await call(bridge, HANG_UP, log_path=path)

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {line["call_sid"] for line in lines} == {report.call_sid}
    messages = [line for line in lines if line["event"] == "socket_message"]
    assert {"connected", "start", "media", "stop"} <= {line["kind"] for line in messages}
    assert {line["side"] for line in messages} == {"sent", "received"}
    assert len(lines) - len(messages) == len(report.events)


async def test_weather_on_the_line_loses_frames_and_jumps_timestamps() -> None:
    seen: list[dict] = []

    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "media":
                seen.append(message["media"])

    knobs = Knobs(timings=FAST, weather=Weather(lost_share=0.4))
    async with bridge_with(media) as bridge:
        await call(bridge, CallerStep(hangup=True, at_ms=1500), knobs=knobs)

    chunks = [int(media["chunk"]) for media in seen]
    assert any(after - before > 1 for before, after in pairwise(chunks))
    for before, after in pairwise(seen):
        step_ms = int(after["timestamp"]) - int(before["timestamp"])
        lost = int(after["chunk"]) - int(before["chunk"])
        assert step_ms == pytest.approx(20 * lost, abs=1 + 0.03 * lost)


async def test_the_scenario_is_announced_to_the_agent_before_the_call() -> None:
    async with bridge_with(silent_until_the_end) as bridge:
        bridge.put_status = 404
        with pytest.raises(httpx.HTTPStatusError):
            await call(bridge, HANG_UP, agent_control_url=bridge.url)
        bridge.put_status = 204
        report = await call(bridge, HANG_UP, agent_control_url=bridge.url)

    path, _, body = bridge.requests[1]
    assert path == f"/simulator/calls/{report.call_sid}"
    assert scenario.from_json(body).caller == [HANG_UP]
    assert bridge.paths().count("/twilio/voice") == 1


async def test_a_caller_whose_moment_never_comes_hangs_up() -> None:
    knobs = Knobs(timings=Timings(handshake_s=0, first_media_s=(0, 0), patience_s=4))
    async with bridge_with(silent_until_the_end) as bridge:
        report = await call(bridge, CallerStep(say="hello", after_agent_ms=10), knobs=knobs)

    assert report.outcome == "gave_up"
    assert report.why == "waited 4 s for step 1 (after_agent_ms = 10)"
    assert bridge.peers[0].close_code == 1000
    assert not report.ok


async def test_a_call_that_is_too_long_is_ended() -> None:
    timings = Timings(handshake_s=0, first_media_s=(0, 0), longest_call_s=0.5)
    async with bridge_with(silent_until_the_end) as bridge:
        report = await call(bridge, knobs=Knobs(timings=timings))

    assert (report.outcome, report.why) == ("gave_up", "0.5 s are over")


async def test_in_one_world_the_action_is_asked_when_the_caller_has_hung_up() -> None:
    knobs = Knobs(timings=FAST, action_after_hangup=True)
    async with bridge_with(silent_until_the_end) as bridge:
        report = await call(bridge, HANG_UP, knobs=knobs)

    form = next(dict(form) for path, _, form in bridge.requests if path == "/next")
    assert form["CallStatus"] == "completed"
    assert report.outcome == "caller_hung_up"


async def test_a_transfer_and_a_voicemail_are_played_through() -> None:
    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start":
                peer.close(1000)

    knobs = Knobs(
        timings=FAST,
        dial_status="no-answer",
        dial_s=0.1,
        record_s=0.1,
        stream_event_after_close="stream-error",
    )
    async with bridge_with(media) as bridge:
        bridge.documents["/next"] = (
            200,
            '<Response><Pause length="0.1"/><Dial action="/dialed"><Number>+1555</Number></Dial>'
            "</Response>",
        )
        bridge.documents["/dialed"] = (200, '<Response><Record action="/recorded"/></Response>')
        bridge.documents["/recorded"] = (200, "<Response><Hangup/></Response>")
        report = await call(bridge, knobs=knobs)

    forms = {path: dict(form) for path, _, form in bridge.requests}
    assert forms["/dialed"]["DialCallStatus"] == "no-answer"
    assert forms["/recorded"]["RecordingSid"].startswith("RE")
    assert forms["/stream-status"]["StreamEvent"] == "stream-error"
    verbs = [event.verb for event in report.events if isinstance(event, events.VerbBegun)]
    assert verbs == ["Connect", "Pause", "Dial", "Record", "Hangup"]
    assert report.ok


async def test_a_bridge_that_is_not_there_fails_the_call() -> None:
    async with bridge_with(silent_until_the_end) as bridge:
        pass
    report = await call(bridge, status_callback_url=PUBLIC_URL + "/status")

    assert (report.outcome, report.figures.answer_ms) == ("failed", None)
    assert [warning.code for warning in report.warnings] == [11205]
    asked = [event for event in report.events if isinstance(event, events.Requested)]
    assert [(event.purpose, event.status) for event in asked] == [
        ("voice", None),
        ("call-status", None),
    ]


async def test_a_call_is_written_as_a_recording_of_both_sides(tmp_path) -> None:
    async def media(peer: Peer) -> None:
        async for message in peer.messages():
            if message["event"] == "start":
                peer.play(tone(200))

    async with bridge_with(media) as bridge:
        report = await call(bridge, SAY, HANG_UP)
    path = write_wav(report, tmp_path / "deep" / "call.wav")

    with wave.open(str(path)) as file:
        shape = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        assert shape == (2, 2, 8000)
        assert file.getnframes() == len(report.caller_track)


async def test_an_attacker_may_come_late_with_start() -> None:
    first: list[str] = []

    async def media(peer: Peer) -> None:
        peer.close(1008)
        async for message in peer.messages():
            first.append(message["event"])

    knobs = Knobs(timings=FAST, mischief=Mischief(start_after_s=30))
    async with bridge_with(media) as bridge:
        report = await call(bridge, knobs=knobs)

    assert first == []
    assert report.streams[0].close_code == 1008
    assert report.streams[0].sent_frames == 0
