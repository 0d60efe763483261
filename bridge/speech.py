"""Text → µ-law through Deepgram's REST speech API (deepgram-voice-agent.md section 7).

Leaves keeping the result to ``bridge.phrases``.
"""

import asyncio
from typing import Final

import httpx
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from bridge.errors import PhraseUnavailable
from bridge.wire import mulaw

LONGEST_TEXT: Final = 1000
"""Sources disagree between 1000 and 2400 characters; this much every one of them allows."""
AT_ONCE: Final = 4
"""Requests at a time; the plan allows 15 for the whole project."""
PATIENCE_S: Final = 15.0


class _TryAgain(Exception):
    """The API is busy or away."""


class Speech:
    """The speech API, for phrases only: it is never asked while a caller waits for an answer."""

    def __init__(self, client: httpx.AsyncClient, *, api_url: str, api_key: str) -> None:
        self._client = client
        self._api_url = api_url.rstrip("/")
        self._headers = {"Authorization": f"Token {api_key}"}
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def say(
        self, text: str, *, model: str, speed: float = 1.0, expressivity: int | None = None
    ) -> bytes:
        """The text as raw µ-law at 8 000 Hz; ``expressivity`` is for Flux voices only.

        Raises:
            PhraseUnavailable: the text is too long, or the API refused it or stayed away.
        """
        if len(text) > LONGEST_TEXT:
            raise PhraseUnavailable(f"{len(text)} characters; at most {LONGEST_TEXT} can be said")
        query = {
            "model": model,
            "encoding": "mulaw",
            "sample_rate": str(mulaw.SAMPLE_RATE_HZ),
            "container": "none",  # a WAV header is heard as a click (trap G-18)
            "mip_opt_out": "true",
        }
        if speed != 1.0:
            query["speed"] = str(speed)
        if expressivity is not None:
            query["expressivity"] = str(expressivity)
        # Aura voices speak there, Flux voices here, and each refuses the other's.
        url = f"{self._api_url}/{'v2' if model.startswith('flux-') else 'v1'}/speak"
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type((_TryAgain, httpx.TransportError)),
                stop=stop_after_attempt(4) | stop_before_delay(PATIENCE_S),
                wait=wait_random_exponential(multiplier=0.2, max=3),
                reraise=True,
            ):
                with attempt:
                    return await self._ask(url, text, query)
        except (_TryAgain, httpx.TransportError) as error:
            raise PhraseUnavailable(f"speech API: {type(error).__name__} {error}") from error
        raise PhraseUnavailable("speech API: no attempt was made")

    async def _ask(self, url: str, text: str, query: dict[str, str]) -> bytes:
        async with self._at_once:
            answer = await self._client.post(
                url, params=query, headers=self._headers, json={"text": text}
            )
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
            raise _TryAgain(f"status {answer.status_code}")
        if answer.status_code != httpx.codes.OK or not answer.content:
            raise PhraseUnavailable(f"speech API: status {answer.status_code}")
        if answer.content.startswith(b"RIFF"):
            raise PhraseUnavailable("speech API: a WAV header where raw audio was asked for")
        return answer.content
