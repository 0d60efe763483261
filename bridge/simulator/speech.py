"""``POST /v1/speak``: text to speech over REST (deepgram-voice-agent.md section 7).

As picky as the real one, its WAV header by default included. Leaves the sound to ``voices``.
"""

import asyncio
import struct
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from bridge.simulator.doors import Answer, Request
from bridge.simulator.options import Options
from bridge.simulator.strict.speak import known_aura
from bridge.simulator.voices import AGENT, Voices
from bridge.wire.mulaw import SAMPLE_RATE_HZ

LONGEST_TEXT = 1000
"""Characters for Aura-2: the strictest of the sources that disagree."""

_QUERY = frozenset({
    "model", "encoding", "sample_rate", "container", "bit_rate", "speed", "mip_opt_out", "tag",
    "callback", "callback_method",
})  # fmt: skip
_ENCODINGS = frozenset({"linear16", "flac", "mulaw", "alaw", "mp3", "opus", "aac"})
_DEFAULT_MODEL = "aura-asteria-en"


class _NotSpoken(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = refusal(status, code, message)


def refusal(status: int, code: str, message: str) -> Answer:
    """An error as Deepgram's REST side writes it."""
    request_id = str(uuid.uuid4())
    body = {"err_code": code, "err_msg": message, "request_id": request_id}
    return Answer(
        status=status,
        headers={"content-type": "application/json", "dg-request-id": request_id},
        body=msgspec.json.encode(body),
    )


class SpeechRoute:
    """Answers requests to speak, so many at once."""

    def __init__(self, voices: Voices, options: Options) -> None:
        self._voices = voices
        self._options = options
        self._speaking = 0

    async def respond(self, request: Request) -> Answer:
        """One request; authorised already."""
        if self._options.speak_status:
            return refusal(self._options.speak_status, "ASKED_FOR", "the emulator was told to fail")
        if self._speaking >= self._options.speak_slots:
            return refusal(429, "TOO_MANY_REQUESTS", "too many requests at once")
        self._speaking += 1
        try:
            return await self._speak(request)
        except _NotSpoken as reason:
            return reason.answer
        finally:
            self._speaking -= 1

    async def _speak(self, request: Request) -> Answer:
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        model, container = _checked_query(query)
        text = _checked_text(request)
        await asyncio.sleep(self._options.speak_delay_ms / 1000)
        sound = await asyncio.to_thread(self._voices.render, text, AGENT)
        return Answer(
            status=200,
            headers={
                "content-type": f"audio/mulaw;rate={SAMPLE_RATE_HZ}",
                "dg-request-id": str(uuid.uuid4()),
                "dg-model-name": model,
                "dg-model-uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, model)),
                "dg-char-count": str(len(text)),
            },
            body=sound if container == "none" else _wav_header(len(sound)) + sound,
        )


def _checked_query(query: Mapping[str, str]) -> tuple[str, str]:
    """Model and container."""
    for name in query:
        if name not in _QUERY:
            raise _NotSpoken(400, "INVALID_QUERY_PARAMETER", f"unknown parameter {name}")
    model = query.get("model", _DEFAULT_MODEL)
    if not known_aura(model):
        raise _NotSpoken(400, "INVALID_QUERY_PARAMETER", f"no such model: {model}")
    if query.get("encoding", "mp3") not in _ENCODINGS:
        raise _NotSpoken(400, "INVALID_QUERY_PARAMETER", "no such encoding")
    if query.get("encoding") != "mulaw":
        raise _NotSpoken(400, "UNSUPPORTED_AUDIO_FORMAT", "this emulator speaks mulaw only")
    if query.get("sample_rate", "8000") not in {"8000", "16000"}:
        raise _NotSpoken(400, "UNSUPPORTED_AUDIO_FORMAT", "mulaw is 8000 or 16000 Hz")
    if query.get("sample_rate", "8000") != "8000":
        raise _NotSpoken(400, "UNSUPPORTED_AUDIO_FORMAT", "this emulator speaks 8000 Hz only")
    if "bit_rate" in query:
        raise _NotSpoken(400, "UNSUPPORTED_AUDIO_FORMAT", "mulaw has no bit rate to choose")
    container = query.get("container", "wav")
    if container not in {"wav", "none"}:
        raise _NotSpoken(400, "UNSUPPORTED_AUDIO_FORMAT", "mulaw comes as wav or none")
    if query.get("mip_opt_out", "false") not in {"true", "false"}:
        raise _NotSpoken(400, "INVALID_QUERY_PARAMETER", "mip_opt_out is true or false")
    _check_speed(query.get("speed", "1.0"))
    return model, container


def _check_speed(speed: str) -> None:
    try:
        inside = 0.7 <= float(speed) <= 1.5
    except ValueError:
        inside = False
    if not inside:
        raise _NotSpoken(400, "INVALID_QUERY_PARAMETER", "speed is 0.7 to 1.5")


def _checked_text(request: Request) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/plain":
        text: Any = request.body.decode("utf-8", "replace")
    elif kind == "application/json":
        try:
            body = msgspec.json.decode(request.body)
        except msgspec.DecodeError:
            raise _NotSpoken(400, "PAYLOAD_ERROR", "the body is not JSON") from None
        if not isinstance(body, dict) or body.keys() != {"text"}:
            raise _NotSpoken(400, "PAYLOAD_ERROR", "the body is an object with one field, text")
        text = body["text"]
    else:
        raise _NotSpoken(415, "UNSUPPORTED_MEDIA_TYPE", "send application/json or text/plain")
    if not isinstance(text, str) or not text.strip():
        raise _NotSpoken(400, "INVALID_TEXT", "there is nothing to speak")
    if len(text) > LONGEST_TEXT:
        raise _NotSpoken(422, "UNPROCESSABLE_ENTITY", f"at most {LONGEST_TEXT} characters")
    return text


def _wav_header(length: int) -> bytes:
    """The header that makes a click when it is played to a telephone (G-18)."""
    mulaw, channels, bits = 7, 1, 8
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + length, b"WAVE", b"fmt ", 16, mulaw, channels, SAMPLE_RATE_HZ,
        SAMPLE_RATE_HZ, 1, bits, b"data", length,
    )  # fmt: skip
