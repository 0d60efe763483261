"""What Twilio asks of us over HTTP, and the media WebSocket up to the moment a call is driven.

Every request is signed (twilio-voice.md section 4); what cannot be verified is 403 and touches
nothing. Leaves the call itself to ``bridge.driver``.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import structlog
from litestar import Request, Response, WebSocket, get, post, websocket
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from bridge import admission
from bridge.caller import DIRECT, CallerLink, MediaProtocol, closed
from bridge.desk import Desk, driver_for
from bridge.errors import AgentUnavailable, StateUnavailable
from bridge.profile import Profile
from bridge.store import Admitted, Refused
from bridge.wire import signature, twilio, twiml

LARGEST_FORM_BYTES: Final = 64 * 1024
FORM_PATIENCE_S: Final = 10.0
"""Twilio itself gives a webhook fifteen seconds in all."""
MESSAGES_BEFORE_START: Final = 32
"""``connected`` and ``start`` are two; the rest is junk, of which so much is borne."""

GOODBYE: Final = "Thank you for calling. Goodbye."
PUT_THROUGH: Final = "One moment, I am putting you through to a colleague."
CALL_AGAIN: Final = "Please call again in a few minutes. Goodbye."
UNKNOWN_NUMBER: Final = "We are sorry, this number is not in service. Goodbye."
CAME_TO_A_STOP: Final = "caller_hung_up"
"""What ``stop`` is taken for; but it comes too when the call goes on with another document (1.3),
and then Twilio says that the call is in progress."""
OVER_STATUSES: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})

log = structlog.get_logger()


def handlers(desk: Desk) -> list[ControllerRouterHandler]:
    """The bridge's routes, bound to their resources."""

    @post("/twilio/voice", status_code=200)
    async def voice(request: Request[Any, Any, Any]) -> Response[str]:
        """A call comes in."""
        form = await _signed_form(desk, request)
        return _twiml(await _answer_call(desk, form, admission.rounds_heard(_query(request))))

    @post("/twilio/resume", status_code=200)
    async def resume(request: Request[Any, Any, Any]) -> Response[str]:
        """A call's stream ended: what is next?"""
        return _twiml(await _next_document(desk, await _signed_form(desk, request)))

    @post(["/twilio/status", "/twilio/stream-status"], status_code=204)
    async def status(request: Request[Any, Any, Any]) -> None:
        """A call or a stream changed its state; told for the log."""
        form = await _signed_form(desk, request)
        log.info(
            "twilio_status",
            call_sid=form.get("CallSid", ""),
            stream_sid=form.get("StreamSid", ""),
            status=form.get("StreamEvent") or form.get("CallStatus", ""),
        )

    @websocket("/twilio/media")
    async def media(socket: WebSocket[Any, Any, Any]) -> None:
        """The sound of a call."""
        await _media(desk, socket)

    @get("/healthz", sync_to_thread=False)
    def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @get("/readyz")
    async def readyz() -> Response[dict[str, str]]:
        """New calls are welcome: not draining, and Redis answers.

        A busy agent is no reason to send calls elsewhere: every instance has the same one.
        """
        if desk.live.draining:
            return Response({"status": "draining"}, status_code=503)
        try:
            await desk.store.ping()
        except StateUnavailable as error:
            return Response({"status": error.code}, status_code=503)
        closed = desk.gate.open_again_in_s > 0
        return Response({"status": "ready"} | ({"agent_line": "closed"} if closed else {}))

    return [voice, resume, status, media, healthz, readyz]


# --- webhooks --------------------------------------------------------------------------------


async def _signed_form(desk: Desk, request: Request[Any, Any, Any]) -> Mapping[str, str]:
    """The form of a request that Twilio signed.

    Raises:
        HTTPException: 403 unless the signature is right, 413 when the body is too large.
    """
    body = await _bounded_body(request)
    form = signature.form_parameters(body)
    query = _query(request)
    url = desk.settings.url(request.url.path) + (f"?{query}" if query else "")
    given = request.headers.get("x-twilio-signature", "")
    if not signature.verify(given, url, form, desk.settings.signing_tokens):
        log.warning("signature_refused", path=request.url.path, signed=bool(given))
        raise HTTPException(status_code=403, detail="signature")
    return dict(form)


def _query(request: Request[Any, Any, Any]) -> str:
    return request.scope["query_string"].decode("latin-1")


async def _bounded_body(request: Request[Any, Any, Any]) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(FORM_PATIENCE_S):
            async for piece in request.stream():
                size += len(piece)
                if size > LARGEST_FORM_BYTES:
                    raise HTTPException(status_code=413, detail="too large")
                pieces.append(piece)
    except TimeoutError as too_slow:
        raise HTTPException(status_code=408, detail="too slow") from too_slow
    return b"".join(pieces)


async def _answer_call(desk: Desk, form: Mapping[str, str], heard: int) -> str:
    call_sid, dialled = form.get("CallSid", ""), form.get("To") or form.get("Called", "")
    profile = desk.profiles.of_number(dialled)
    if not call_sid or profile is None:
        log.warning("unknown_number", call_sid=call_sid)
        return twiml.say_and_hang_up(UNKNOWN_NUMBER)
    log.info("call_came_in", call_sid=call_sid, practice=profile.id, round=heard)
    if not desk.gate.admits():
        return _put_off(desk, call_sid, profile, heard)
    return await _connect(desk, call_sid, profile)


def _put_off(desk: Desk, call_sid: str, profile: Profile, heard: int) -> str:
    """No agent just now: the busy line, and after some rounds the practice's people."""
    word = "put_off" if heard < admission.ROUNDS else "passed_on"
    desk.live.counts[word] += 1
    log.warning(f"call_{word}", call_sid=call_sid, code=AgentUnavailable.code, round=heard)
    if word == "passed_on":
        return _human(profile, after_apology=True)
    return admission.hold(
        admission.BUSY,
        voice_url=desk.settings.url("/twilio/voice"),
        heard=heard,
        for_s=desk.gate.open_again_in_s,
    )


async def _next_document(desk: Desk, form: Mapping[str, str]) -> str:
    """The planned next step; or a new stream for a call whose stream was lost; or an apology."""
    call_sid = form.get("CallSid", "")
    if form.get("CallStatus", "") in OVER_STATUSES:
        return twiml.empty()
    try:
        state = await desk.store.state(call_sid)
    except StateUnavailable:
        return _human(desk.profiles.of_number(form.get("To", "")))
    profile = None if state is None else desk.profiles.of_id(state.practice)
    if state is None or profile is None:
        return twiml.say_and_hang_up(GOODBYE)
    log.info("call_resumed", call_sid=call_sid, next_step=state.next_step, ended=state.ended)
    if state.next_step == "transfer" and profile.transfer_number is not None:
        return twiml.dial(profile.transfer_number)  # she was told so
    if state.next_step == "apology":
        return _human(profile)
    if state.next_step in ("human", "transfer"):
        return _human(profile, after_apology=True)
    if state.next_step == "hangup":
        return twiml.hangup()
    if state.next_step == "goodbye":
        return twiml.say_and_hang_up(GOODBYE)
    if state.ended not in ("", CAME_TO_A_STOP):
        return twiml.say_and_hang_up(GOODBYE)
    if state.generation > desk.settings.resume_limit:
        return _human(profile)
    return await _connect(desk, call_sid, profile)


async def _connect(desk: Desk, call_sid: str, profile: Profile) -> str:
    try:
        ticket = await desk.store.admit(call_sid, profile.id)
    except StateUnavailable as error:
        log.error("call_not_taken", call_sid=call_sid, code=error.code)
        return _human(profile)
    return twiml.connect_stream(
        stream_url=desk.settings.stream_url,
        action_url=desk.settings.url("/twilio/resume"),
        status_callback_url=desk.settings.url("/twilio/stream-status"),
        parameters={"token": ticket.token, "generation": str(ticket.generation)},
        name=f"g{ticket.generation}",
    )


def _human(profile: Profile | None, *, after_apology: bool = False) -> str:
    """The way out when the agent cannot be had."""
    if profile is None:
        return twiml.say_and_hang_up(GOODBYE)
    if profile.transfer_number is not None:
        return twiml.dial(profile.transfer_number, say=PUT_THROUGH)
    return twiml.say_and_hang_up(CALL_AGAIN if after_apology else profile.phrases.apology)


def _twiml(document: str) -> Response[str]:
    return Response(document, media_type=twiml.CONTENT_TYPE)


# --- the media socket ------------------------------------------------------------------------


async def _media(desk: Desk, socket: WebSocket[Any, Any, Any]) -> None:
    given = socket.headers.get("x-twilio-signature", "")
    url, tokens = desk.settings.stream_url, desk.settings.signing_tokens
    if not signature.verify_handshake(given, url, tokens):
        https = signature.matches_https_form(given, url, tokens)
        log.warning("handshake_refused", signed=bool(given), https_form=https)
        await socket.close(code=1008)  # before the upgrade: a 403
        return
    offered = socket.scope["subprotocols"]
    wanted = "audio.twilio.com" if "audio.twilio.com" in offered else None
    await socket.accept(subprotocols=wanted)
    start = await _wait_for_start(desk, socket)
    # While draining a stream is closed at once, and Twilio asks
    # ``/twilio/resume``, which another instance answers (twilio-voice.md 1.7).
    admitted = None if start is None or desk.live.draining else await _admit(desk, start)
    if start is None or admitted is None:
        await _close(socket)
        return
    driver = driver_for(desk, admitted)
    link = CallerLink(_connection(socket), stream_sid=start.stream_sid, ear=driver)
    driver.caller = link
    desk.live.add(driver)
    try:
        await driver.run(start, closed=lambda: _listen(link, socket))
        await _close(socket)
    finally:
        await driver.finish()
        desk.live.remove(driver)


async def _listen(link: CallerLink, socket: WebSocket[Any, Any, Any]) -> int:
    link.listen()
    return await closed(socket.receive)


async def _close(socket: WebSocket[Any, Any, Any]) -> None:
    """With 1000: of other codes it is not known whether the call goes on (twilio-voice.md 1.4)."""
    if not _connection(socket).gone:
        with suppress(OSError):  # the server's word for: it went this instant
            await socket.close(code=1000)


def _connection(socket: WebSocket[Any, Any, Any]) -> MediaProtocol:
    extensions: Any = socket.scope["extensions"]
    connection: MediaProtocol = extensions[DIRECT]
    return connection


async def _wait_for_start(desk: Desk, socket: WebSocket[Any, Any, Any]) -> twilio.Start | None:
    with suppress(TimeoutError):
        async with asyncio.timeout(desk.settings.start_patience_s):
            for _ in range(MESSAGES_BEFORE_START):
                frame: Any = await socket.receive()
                if frame["type"] == "websocket.disconnect":
                    return None
                message = _read(frame.get("text") or frame.get("bytes") or b"")
                if isinstance(message, twilio.Start):
                    return message
    log.warning("no_start", code="caller_protocol")
    return None


def _read(text: str | bytes) -> twilio.FromTwilio | twilio.Unknown | None:
    try:
        return twilio.from_twilio.read(text)
    except twilio.Malformed:
        return None


async def _admit(desk: Desk, start: twilio.Start) -> Admitted | None:
    parameters, call_sid = start.start.custom_parameters, start.start.call_sid
    try:
        generation = int(parameters.get("generation", ""))
        answer = await desk.store.redeem(parameters.get("token", ""), call_sid, generation)
    except ValueError:
        answer = Refused(why="gone")
    except StateUnavailable as error:
        log.error("stream_not_admitted", call_sid=call_sid, code=error.code)
        return None
    if isinstance(answer, Refused):
        log.warning("stream_refused", call_sid=call_sid, why=answer.why)
        return None
    if desk.profiles.of_id(answer.practice) is None:
        log.error("practice_gone", call_sid=call_sid, practice=answer.practice)
        return None
    return answer
