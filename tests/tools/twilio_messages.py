"""Twilio's Messages as the simulator has them, on a socket of its own, with a clock to turn."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx

from bridge.simulator.doors import Answer, HttpDoor, Request
from bridge.simulator.messages import PATH, Messages
from bridge.simulator.options import Options
from tools.texts import PAGE_SIZE, Texts

ACCOUNT = f"AC{'1' * 32}"
TOKEN = "9d41b0c3f1e04f7e8a6b5c4d3e2f1a0b"


class Clock:
    """The instant for everybody concerned; turned by hand."""

    def __init__(self, start: datetime = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)) -> None:
        self.value = start

    def __call__(self) -> datetime:
        return self.value

    def seconds(self) -> float:
        return self.value.timestamp()

    def turn(self, **time: float) -> None:
        self.value += timedelta(**time)


class Twilio:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.options = Options(twilio_credentials=f"{ACCOUNT}:{TOKEN}")
        self.messages = Messages(self.options, clock=clock.seconds)
        self.requests: list[Request] = []
        self.url = ""
        self.before_answer: Callable[[], object] = lambda: None
        """Called when a request has come, before it is looked at."""
        self.instead: list[Answer] = []
        """Given in place of what would be answered, one each."""

    async def respond(self, request: Request) -> Answer:
        self.requests.append(request)
        self.before_answer()
        if self.instead:
            return self.instead.pop(0)
        account = PATH.fullmatch(request.path)
        assert account is not None
        return await self.messages.respond(request, account.group(1))

    def asked(self, method: str) -> int:
        return sum(request.method == method for request in self.requests)

    def texts(
        self,
        client: httpx.AsyncClient,
        *,
        user: str = ACCOUNT,
        password: str = TOKEN,
        page_size: int = PAGE_SIZE,
    ) -> Texts:
        return Texts(
            client,
            url=self.url,
            account_sid=ACCOUNT,
            user=user,
            password=password,
            page_size=page_size,
        )


@asynccontextmanager
async def serving(clock: Clock) -> AsyncIterator[Twilio]:
    twilio = Twilio(clock)
    door = HttpDoor(twilio.respond)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(door.protocol, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    twilio.url = f"http://{host}:{port}"
    try:
        yield twilio
    finally:
        door.close()
        server.close()
        await server.wait_closed()
