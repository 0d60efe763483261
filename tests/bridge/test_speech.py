"""The speech API as we ask it, without a network and without waiting between tries."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from bridge.errors import PhraseUnavailable
from bridge.speech import AT_ONCE, LONGEST_TEXT, Speech
from tests.bridge.virtual_time import in_virtual_time

VOICE = "aura-2-thalia-en"
Answer = Callable[[httpx.Request], httpx.Response]


class Api:
    """Answers with each of its answers in turn, the last one for ever."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def speech(api: Api) -> Speech:
    client = httpx.AsyncClient(transport=httpx.MockTransport(api))
    return Speech(client, api_url="https://api.example.com/", api_key="dg")


SOUND = httpx.Response(200, content=b"\x7f\x80")


@in_virtual_time
async def test_text_becomes_raw_sound() -> None:
    assert await speech(Api(SOUND)).say("Hello.", model=VOICE) == b"\x7f\x80"


@in_virtual_time
async def test_the_request_is_what_the_api_documents() -> None:
    api = Api(SOUND)

    await speech(api).say("Grüezi.", model=VOICE)

    (request,) = api.requests
    assert str(request.url.copy_with(query=None)) == "https://api.example.com/v1/speak"
    assert dict(request.url.params) == {
        "model": VOICE,
        "encoding": "mulaw",
        "sample_rate": "8000",
        "container": "none",
        "mip_opt_out": "true",
    }
    assert request.headers["authorization"] == "Token dg"
    assert request.read() == '{"text":"Grüezi."}'.encode()


@in_virtual_time
async def test_a_speed_of_its_own_is_asked_for() -> None:
    api = Api(SOUND)

    await speech(api).say("Hello.", model=VOICE, speed=0.9)

    assert api.requests[0].url.params["speed"] == "0.9"


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(429),
        httpx.Response(503),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
    ids=["429", "503", "refused", "slow"],
)
@in_virtual_time
async def test_what_may_pass_is_tried_again(trouble: httpx.Response | Exception) -> None:
    api = Api(trouble, trouble, SOUND)

    assert await speech(api).say("Hello.", model=VOICE) == b"\x7f\x80"
    assert len(api.requests) == 3


@in_virtual_time
async def test_after_four_tries_there_is_no_speech() -> None:
    api = Api(httpx.Response(503))

    with pytest.raises(PhraseUnavailable, match="503"):
        await speech(api).say("Hello.", model=VOICE)

    assert len(api.requests) == 4


@pytest.mark.parametrize("status", [400, 401, 402, 404, 413])
@in_virtual_time
async def test_a_refusal_is_not_tried_again(status: int) -> None:
    api = Api(httpx.Response(status))

    with pytest.raises(PhraseUnavailable, match=str(status)):
        await speech(api).say("Hello.", model=VOICE)

    assert len(api.requests) == 1


@in_virtual_time
async def test_a_wav_header_is_refused() -> None:
    api = Api(httpx.Response(200, content=b"RIFF....WAVEfmt "))

    with pytest.raises(PhraseUnavailable, match="WAV"):
        await speech(api).say("Hello.", model=VOICE)


@in_virtual_time
async def test_an_answer_without_sound_is_no_speech() -> None:
    with pytest.raises(PhraseUnavailable):
        await speech(Api(httpx.Response(200))).say("Hello.", model=VOICE)


@in_virtual_time
async def test_a_text_that_is_too_long_is_not_asked_for() -> None:
    api = Api(SOUND)

    with pytest.raises(PhraseUnavailable, match="at most"):
        await speech(api).say("a" * (LONGEST_TEXT + 1), model=VOICE)

    assert api.requests == []


@in_virtual_time
async def test_the_key_is_in_no_message() -> None:
    with pytest.raises(PhraseUnavailable) as refused:
        await speech(Api(httpx.Response(401))).say("Hello.", model=VOICE)

    assert "dg" not in str(refused.value)


@in_virtual_time
async def test_only_so_many_are_asked_for_at_once() -> None:
    now, most = 0, 0

    async def slow(request: httpx.Request) -> httpx.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(1.0)
        now -= 1
        return httpx.Response(200, content=b"\x7f")

    client = httpx.AsyncClient(transport=httpx.MockTransport(slow))
    voice = Speech(client, api_url="https://api.example.com", api_key="dg")
    await asyncio.gather(*(voice.say("Hello.", model=VOICE) for _ in range(12)))

    assert most == AT_ONCE
