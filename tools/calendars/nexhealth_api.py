"""NexHealth's API as it is spoken to: the token that opens it, and the envelope of every answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import httpx

from tools.calendars.http import Answer, Api, Query, Refused
from tools.calendars.nexhealth_messages import read_head, read_token
from tools.errors import Unavailable, Unsure

VERSION: Final = {"Nex-Api-Version": "v3.0.0"}
"""One of two names for what the OpenAPI file describes. Without it the answer is 404."""
RENEWED_AFTER_S: Final = 50 * 60.0
"""A token lasts an hour (reference, Authentication)."""

Shape = TypeVar("Shape")


class NexHealthApi:
    """Requests with a token that is fetched when one is needed, by one request for all."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        kind: str,
        url: str,
        secret: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._api = Api(client, kind=kind, url=url, now=now)
        self._key = {"Authorization": secret}
        self._now = now
        self._fetching = asyncio.Lock()
        self._token = ""
        self._renew_at = 0.0
        self.unavailable = self._api.unavailable
        self.unsure = self._api.unsure
        self.refused = self._api.refused

    async def ask(self, path: str, query: Query = ()) -> Answer:
        """The answer to a question; raises as ``Api.ask``."""
        return await self._opened(lambda headers: self._api.ask(path, query=query, headers=headers))

    async def order(self, method: str, path: str, query: Query, body: object) -> Answer:
        """The answer to a request that changes something; raises as ``Api.order``."""
        return await self._opened(
            lambda headers: self._api.order(method, path, query=query, body=body, headers=headers)
        )

    def decode(
        self,
        answer: Answer,
        decode: Callable[[bytes], Shape],
        *,
        otherwise: type[Unavailable] | type[Unsure] = Unavailable,
    ) -> Shape:
        """What a 2xx holds.

        Raises:
            Unavailable: (or ``otherwise``) it has another shape, or says that it is none.
        """
        if self._api.decode(answer, read_head, otherwise=otherwise).code is False:
            why = f"status {answer.status}, but code false"
            raise self.unsure(why) if otherwise is Unsure else self.unavailable(why)
        return self._api.decode(answer, decode, otherwise=otherwise)

    async def _opened(self, send: Callable[[dict[str, str]], Awaitable[Answer]]) -> Answer:
        """Sent with a token; once more with a new one if that one is not taken any more.

        A 401 is a refusal to look at the request, so it may be sent again whatever it does.
        """
        token = await self._bearer()
        try:
            return await send(_headers(token))
        except Refused as refused:
            if refused.status != httpx.codes.UNAUTHORIZED:
                raise
        return await send(_headers(await self._bearer(spent=token)))

    async def _bearer(self, *, spent: str = "") -> str:
        async with self._fetching:
            if self._token in ("", spent) or self._now() >= self._renew_at:
                self._token = await self._fetch()
                self._renew_at = self._now() + RENEWED_AFTER_S
            return self._token

    async def _fetch(self) -> str:
        try:
            answer = await self._api.order("POST", "/authenticates", headers=self._key | VERSION)
        except Unsure as error:  # a token more or less is no effect
            raise Unavailable(error.say, reason=error.reason) from None
        if not answer.ok:
            raise self.refused(f"no token: status {answer.status}", status=answer.status)
        return self.decode(answer, read_token).data.token


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} | VERSION
