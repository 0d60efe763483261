"""The gate before the agent's line: its rules, and what waits at it."""

import asyncio
import http
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection

from bridge.agent import AgentLink
from bridge.errors import AgentUnavailable
from bridge.line_gate import (
    EARLIER,
    FIRST_S,
    LONGEST_ASKED_S,
    MOST_AT_ONCE,
    PATIENCE_S,
    TRIAL_S,
    Attempt,
    Gate,
    LineGate,
    Shut,
)
from tests.bridge.deepgram_line import FakeDeepgram, agent_server
from tests.bridge.virtual_time import in_virtual_time
from tests.bridge.waiting import until


class Ear:
    """Hears nothing that matters here."""

    def agent_opened(self, agent: AgentLink) -> None: ...
    def agent_audio(self, audio: bytes) -> None: ...
    def agent_message(self, message: Any) -> None: ...
    def agent_unreadable(self, what: str) -> None: ...
    def agent_closed(self, code: int | None) -> None: ...


def punctual() -> Gate:
    """A gate that closes for whole moments."""
    return Gate(chance=lambda: 0.0)


def knocks(gate: Gate, now: float) -> Attempt:
    attempt = gate.knock(now)
    assert isinstance(attempt, Attempt)
    return attempt


def closed_gate(status: int = 429) -> Gate:
    """Closed at 0 for a second."""
    gate = punctual()
    gate.refused(knocks(gate, 0.0), 0.0, status=status)
    return gate


# --- the rules -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529])
def test_a_refusal_for_too_much_closes_the_gate_for_a_moment(status: int) -> None:
    gate = closed_gate(status)

    assert gate.knock(0.4) == Shut(status=status, for_s=0.6)
    assert gate.closed_for_s(0.4) == 0.6
    assert not gate.open


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404])
def test_a_refusal_that_is_ours_to_mend_leaves_it_open(status: int) -> None:
    gate = closed_gate(status)

    assert gate.open
    assert isinstance(gate.knock(0.0), Attempt)


def test_an_agent_that_does_not_answer_closes_nothing() -> None:
    gate = punctual()

    gate.unanswered(knocks(gate, 0.0), 5.0)

    assert gate.open


def test_each_refusal_doubles_the_moment_up_to_a_longest_one() -> None:
    gate, now, moments = punctual(), 0.0, []

    for _ in range(7):
        gate.refused(knocks(gate, now), now, status=503)
        moments.append(gate.closed_for_s(now))
        now += moments[-1]

    assert moments == [1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0]


def test_after_a_success_the_moments_are_short_again() -> None:
    gate = closed_gate()
    gate.refused(knocks(gate, 1.0), 1.0, status=429)
    gate.opened(knocks(gate, 3.0))

    gate.refused(knocks(gate, 9.0), 9.0, status=429)

    assert gate.closed_for_s(9.0) == FIRST_S


@given(st.floats(0, 1))
def test_chance_cuts_a_moment_short_by_a_bounded_share(chance: float) -> None:
    gate = Gate(chance=lambda: chance)

    gate.refused(knocks(gate, 0.0), 0.0, status=429)

    assert FIRST_S * (1 - EARLIER) <= gate.closed_for_s(0.0) <= FIRST_S


@pytest.mark.parametrize(
    ("asked_s", "closed_s"),
    [(0.0, FIRST_S), (5.0, 5.0), (20.0, 20.0), (86_400.0, LONGEST_ASKED_S)],
)
def test_what_the_server_asks_for_is_kept_to_within_bounds(asked_s: float, closed_s: float) -> None:
    gate = punctual()

    gate.refused(knocks(gate, 0.0), 0.0, status=429, asked_s=asked_s)

    assert gate.closed_for_s(0.0) == closed_s


@given(st.floats(0, 1), st.floats(1, LONGEST_ASKED_S))
def test_nobody_knocks_earlier_than_the_server_asked(chance: float, asked_s: float) -> None:
    gate = Gate(chance=lambda: chance)

    gate.refused(knocks(gate, 0.0), 0.0, status=503, asked_s=asked_s)

    assert asked_s <= gate.closed_for_s(0.0) <= asked_s * (1 + EARLIER)


def test_so_many_knock_at_once_and_no_more() -> None:
    gate = punctual()
    for _ in range(MOST_AT_ONCE):
        knocks(gate, 0.0)

    assert gate.knock(0.0) is None


def test_when_the_moment_is_over_one_knocks_and_the_others_wait() -> None:
    gate = closed_gate()

    first, second = gate.knock(1.0), gate.knock(1.0)

    assert isinstance(first, Attempt)
    assert second is None


def test_after_the_one_got_in_the_others_follow_slowly() -> None:
    gate = closed_gate()
    gate.opened(knocks(gate, 1.0))

    pair = knocks(gate, 1.0), knocks(gate, 1.0)
    waits = gate.knock(1.0)
    for attempt in pair:
        gate.opened(attempt)
    four = [gate.knock(1.0) for _ in range(5)]

    assert waits is None
    assert [isinstance(one, Attempt) for one in four] == [True] * 4 + [False]


def test_the_one_that_gives_up_makes_room_for_another() -> None:
    gate = closed_gate()
    gate.given_up(knocks(gate, 1.0))

    assert not gate.open
    assert isinstance(gate.knock(1.0), Attempt)


def test_the_one_that_gets_no_answer_closes_it_again() -> None:
    gate = closed_gate(503)

    gate.unanswered(knocks(gate, 1.0), 6.0)

    assert gate.knock(6.0) == Shut(status=503, for_s=2.0)


def test_a_volley_of_refusals_is_one() -> None:
    gate = punctual()
    volley = [knocks(gate, 0.0) for _ in range(MOST_AT_ONCE)]

    for attempt in volley:
        gate.refused(attempt, 0.5, status=429)

    assert gate.closed_for_s(0.5) == FIRST_S
    assert isinstance(gate.knock(1.5), Attempt)
    assert gate.knock(1.5) is None


def test_who_knocked_before_it_closed_neither_opens_it_nor_makes_room() -> None:
    gate = punctual()
    early, refused = knocks(gate, 0.0), knocks(gate, 0.0)
    gate.refused(refused, 0.0, status=429)
    knocks(gate, 1.0)

    gate.opened(early)

    assert not gate.open
    assert gate.knock(1.0) is None


# --- whether a new call is worth connecting --------------------------------------------------


def test_new_calls_are_let_in_while_it_is_open() -> None:
    gate = punctual()

    assert [gate.admits(0.0) for _ in range(3)] == [True] * 3


def test_no_new_call_is_let_in_while_it_is_closed() -> None:
    gate = closed_gate()

    assert not gate.admits(0.9)


def test_when_the_moment_is_over_one_new_call_at_a_time_is_on_trial() -> None:
    gate = closed_gate()

    admitted = [gate.admits(at) for at in (1.0, 1.0, 1.0 + TRIAL_S - 0.1, 1.0 + TRIAL_S)]

    assert admitted == [True, False, False, True]


def test_a_verdict_ends_the_trial() -> None:
    gate = closed_gate()
    gate.admits(1.0)
    gate.opened(knocks(gate, 1.2))

    assert gate.admits(1.3)
    assert gate.admits(1.3)


def test_an_old_refusal_keeps_nobody_out() -> None:
    gate = closed_gate()

    assert gate.admits(3600.0)
    assert gate.admits(3600.0)


# --- at the gate -----------------------------------------------------------------------------


class Server:
    """Answers each handshake after a tenth of a second, with what is next in its list."""

    def __init__(self, *answers: int | None, then: int | None = 200) -> None:
        self.answers = list(answers)
        self.then = then
        self.asked_s: float | None = None
        self.knocked_at: list[float] = []

    async def connect(self) -> str:
        self.knocked_at.append(asyncio.get_running_loop().time())
        answer = self.answers.pop(0) if self.answers else self.then
        await asyncio.sleep(0.1)
        if answer == 200:
            return "line"
        raise AgentUnavailable(f"{answer}", status=answer, retry_after_s=self.asked_s)


async def refusal(gate: LineGate, server: Server) -> AgentUnavailable:
    with pytest.raises(AgentUnavailable) as refused:
        await gate.open(server.connect)
    return refused.value


def now() -> float:
    return asyncio.get_running_loop().time()


@in_virtual_time
async def test_a_line_is_opened_at_once() -> None:
    gate, server = LineGate(), Server()

    assert await gate.open(server.connect) == "line"
    assert gate.counts == {"opened": 1}


@in_virtual_time
async def test_while_it_is_closed_an_attempt_fails_without_touching_the_network() -> None:
    gate, server = LineGate(punctual()), Server(429)
    first = await refusal(gate, server)
    began_at = now()

    second = await refusal(gate, server)

    assert (first.status, first.retry_after_s) == (429, 1.0)
    assert (second.status, second.retry_after_s) == (429, pytest.approx(1.0))
    assert (len(server.knocked_at), now()) == (1, began_at)
    assert gate.counts == {"refused_429": 1, "closed": 1, "turned_away": 1}


@in_virtual_time
async def test_the_servers_own_moment_is_kept() -> None:
    gate, server = LineGate(punctual()), Server(503)
    server.asked_s = 7.0

    assert (await refusal(gate, server)).retry_after_s == 7.0
    assert gate.open_again_in_s == 7.0


@in_virtual_time
async def test_what_is_ours_to_mend_is_told_and_closes_nothing() -> None:
    gate, server = LineGate(), Server(401)

    with capture_logs() as logs:
        refused = await refusal(gate, server)

    assert (refused.status, refused.retry_after_s) == (401, None)
    assert [(one["event"], one["log_level"], one["status"]) for one in logs] == [
        ("agent_refuses_us", "error", 401)
    ]
    assert await gate.open(server.connect) == "line"


@in_virtual_time
async def test_an_agent_that_cannot_be_reached_is_knocked_at_again_at_once() -> None:
    gate, server = LineGate(), Server(None)

    refused = await refusal(gate, server)

    assert (refused.status, refused.retry_after_s) == (None, None)
    assert await gate.open(server.connect) == "line"
    assert gate.counts == {"unanswered": 1, "opened": 1}


@in_virtual_time
async def test_closing_and_opening_are_told_once() -> None:
    gate, server = LineGate(punctual()), Server(503)

    with capture_logs() as logs:
        await refusal(gate, server)
        await refusal(gate, server)
        await asyncio.sleep(1.0)
        await gate.open(server.connect)
        await gate.open(server.connect)

    assert [one["event"] for one in logs] == ["line_gate_closed", "line_gate_opened"]
    assert logs[0]["code"] == "agent_unavailable"
    assert (logs[0]["status"], logs[0]["seconds"]) == (503, 1.0)


@in_virtual_time
async def test_those_that_wait_are_turned_away_with_the_one_that_is_refused() -> None:
    gate, server = LineGate(punctual()), Server(429, 429)
    await refusal(gate, server)
    await asyncio.sleep(1.0)

    refusals = await asyncio.gather(*(refusal(gate, server) for _ in range(5)))

    assert len(server.knocked_at) == 2
    assert [(one.status, one.retry_after_s) for one in refusals] == [(429, 2.0)] * 5


@in_virtual_time
async def test_those_that_wait_follow_the_one_that_gets_in() -> None:
    gate, server = LineGate(punctual()), Server(429)
    await refusal(gate, server)
    await asyncio.sleep(1.0)

    lines = await asyncio.gather(*(gate.open(server.connect) for _ in range(5)))

    assert lines == ["line"] * 5


@in_virtual_time
async def test_nobody_waits_for_ever() -> None:
    gate = LineGate(punctual())
    begun = [asyncio.create_task(gate.open(asyncio.Event().wait)) for _ in range(MOST_AT_ONCE)]
    await asyncio.sleep(0)
    began_at = now()

    refused = await refusal(gate, Server())

    assert (refused.status, refused.retry_after_s) == (None, FIRST_S)
    assert now() == began_at + PATIENCE_S
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)


@in_virtual_time
async def test_a_call_that_ends_while_it_knocks_makes_room_for_another() -> None:
    gate, server = LineGate(punctual()), Server(429)
    await refusal(gate, server)
    await asyncio.sleep(1.0)
    knocking = asyncio.create_task(gate.open(asyncio.Event().wait))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(gate.open(server.connect))
    await asyncio.sleep(0)

    knocking.cancel()

    assert await waiting == "line"
    assert gate.counts["given_up"] == 1


@in_virtual_time
async def test_a_call_that_ends_while_it_waits_is_passed_over() -> None:
    gate, server = LineGate(punctual()), Server(429)
    await refusal(gate, server)
    await asyncio.sleep(1.0)
    tasks = [asyncio.create_task(gate.open(server.connect)) for _ in range(3)]
    await asyncio.sleep(0.05)

    tasks[1].cancel()

    assert await asyncio.gather(tasks[0], tasks[2]) == ["line", "line"]
    assert tasks[1].cancelled()
    assert len(server.knocked_at) == 3


@in_virtual_time
async def test_a_call_that_ends_as_its_turn_comes_leaves_the_turn_to_another() -> None:
    gate, server = LineGate(punctual()), Server(429)
    await refusal(gate, server)
    await asyncio.sleep(1.0)
    never = asyncio.Event()
    knocking = asyncio.create_task(gate.open(never.wait))
    tasks = [asyncio.create_task(gate.open(server.connect)) for _ in range(2)]
    await asyncio.sleep(0)

    knocking.cancel()
    knocking.add_done_callback(lambda _: tasks[0].cancel())

    assert await tasks[1] == "line"
    assert tasks[0].cancelled()
    assert len(server.knocked_at) == 2


# --- no storm --------------------------------------------------------------------------------


async def keeps_trying(gate: LineGate, connect: Callable[[], Any], for_s: float) -> bool:
    """A call that lost its line: at once, then after 1, 2, 4, 8, 16 s, or when it was told to."""
    patience_s, give_up_at = 1.0, now() + for_s
    while now() < give_up_at:
        try:
            await gate.open(connect)
        except AgentUnavailable as error:
            await asyncio.sleep(max(patience_s, error.retry_after_s or 0.0))
            patience_s = min(2 * patience_s, 16.0)
        else:
            return True
    return False


@in_virtual_time
async def test_two_hundred_calls_that_lose_their_lines_are_no_storm() -> None:
    gate, server = LineGate(), Server(then=429)
    began_at = now()

    got = await asyncio.gather(
        *(keeps_trying(gate, server.connect, for_s=25.0) for _ in range(200))
    )

    later = [at for at in server.knocked_at if at > began_at]
    assert not any(got)
    assert len(server.knocked_at) - len(later) == MOST_AT_ONCE
    assert len(later) <= 5
    assert min(after - before for before, after in pairwise(later)) > FIRST_S


@in_virtual_time
async def test_two_hundred_calls_all_get_their_lines_when_the_server_can_again() -> None:
    gate, server = LineGate(), Server(*[503] * (MOST_AT_ONCE + 2))
    began_at = now()

    got = await asyncio.gather(
        *(keeps_trying(gate, server.connect, for_s=25.0) for _ in range(200))
    )

    assert all(got)
    assert now() - began_at < 25.0
    assert len(server.knocked_at) == 200 + MOST_AT_ONCE + 2


@in_virtual_time
async def test_two_hundred_calls_get_new_lines_of_a_healthy_server_without_delay() -> None:
    gate, server = LineGate(), Server()
    began_at = now()

    await asyncio.gather(*(gate.open(server.connect) for _ in range(200)))

    rounds = -(-200 // MOST_AT_ONCE)
    assert now() - began_at == pytest.approx(rounds * 0.1)


async def test_a_real_server_that_refuses_two_hundred_hears_of_a_few() -> None:
    requests: list[Any] = []

    def refuse(connection: ServerConnection, request: Any) -> Any:
        requests.append(request)
        answer = connection.respond(http.HTTPStatus(429), "no\n")
        answer.headers["Retry-After"] = "20"
        return answer

    gate = LineGate()
    async with agent_server(FakeDeepgram().play, process_request=refuse) as url:

        async def one() -> AgentUnavailable:
            with pytest.raises(AgentUnavailable) as refused:
                await gate.open(
                    lambda: AgentLink.open(url, api_key="dg", session_id="CA1", ear=Ear())
                )
            return refused.value

        refusals = await asyncio.gather(*(one() for _ in range(200)))

    assert len(requests) == MOST_AT_ONCE
    assert {one.status for one in refusals} == {429}
    assert all(15.0 < (one.retry_after_s or 0.0) <= 25.0 for one in refusals)


async def test_a_line_through_the_gate_is_a_line() -> None:
    deepgram, gate = FakeDeepgram(), LineGate()
    async with agent_server(deepgram.play) as url:
        link = await gate.open(
            lambda: AgentLink.open(url, api_key="dg", session_id="CA1", ear=Ear())
        )
        await until(lambda: deepgram.sessions)
        await link.close()

    assert deepgram.sessions[0].call_sid == "CA1"
