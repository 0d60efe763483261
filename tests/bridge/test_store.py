import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
import redis.asyncio

from bridge.call.conversation import Conversation, Utterance
from bridge.errors import CallHeldElsewhere, StateUnavailable
from bridge.store import (
    KEPT_ENDED_S,
    KEPT_S,
    TICKET_S,
    Admitted,
    CallState,
    ConversationStore,
    Refused,
    encode_conversation,
)

CALL, PRACTICE, NOW = "CA1", "hillside", 1.7e9


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[ConversationStore]:
    store = ConversationStore(redis_url, wall_clock=lambda: NOW)
    yield store
    await store.aclose()


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(redis_url) as raw:
        yield raw


def talk(generation: int, *texts: str) -> bytes:
    words = [Utterance(speaker="caller", text=text, at_s=1.0) for text in texts]
    return encode_conversation(
        Conversation(
            call_sid=CALL,
            practice=PRACTICE,
            started_utc=NOW,
            generation=generation,
            utterances=words,
        )
    )


# --- tickets ---------------------------------------------------------------------------------


async def test_a_ticket_admits_the_stream_it_was_made_for(store: ConversationStore) -> None:
    ticket = await store.admit(CALL, PRACTICE)

    answer = await store.redeem(ticket.token, CALL, ticket.generation)

    fresh = Conversation(call_sid=CALL, practice=PRACTICE, started_utc=NOW, generation=1)
    assert answer == Admitted(practice=PRACTICE, generation=1, conversation=fresh)


async def test_a_ticket_admits_once(store: ConversationStore) -> None:
    ticket = await store.admit(CALL, PRACTICE)
    await store.redeem(ticket.token, CALL, ticket.generation)

    assert await store.redeem(ticket.token, CALL, ticket.generation) == Refused(why="gone")


async def test_of_two_that_use_a_ticket_at_once_one_is_admitted(store: ConversationStore) -> None:
    ticket = await store.admit(CALL, PRACTICE)

    answers = await asyncio.gather(
        *(store.redeem(ticket.token, CALL, ticket.generation) for _ in range(20))
    )

    assert sum(isinstance(answer, Admitted) for answer in answers) == 1


async def test_a_ticket_nobody_gave_out_admits_nobody(store: ConversationStore) -> None:
    await store.admit(CALL, PRACTICE)

    assert await store.redeem("made up", CALL, 1) == Refused(why="gone")


async def test_another_calls_ticket_is_refused_and_used_up(store: ConversationStore) -> None:
    ticket = await store.admit(CALL, PRACTICE)
    await store.admit("CA2", PRACTICE)

    assert await store.redeem(ticket.token, "CA2", 1) == Refused(why="foreign")
    assert await store.redeem(ticket.token, CALL, 1) == Refused(why="gone")


async def test_a_ticket_of_an_older_generation_is_refused(store: ConversationStore) -> None:
    older = await store.admit(CALL, PRACTICE)
    await store.admit(CALL, PRACTICE)

    assert await store.redeem(older.token, CALL, older.generation) == Refused(why="stale")


async def test_a_ticket_with_another_generation_than_its_own_is_refused(
    store: ConversationStore,
) -> None:
    older = await store.admit(CALL, PRACTICE)
    newer = await store.admit(CALL, PRACTICE)

    assert await store.redeem(older.token, CALL, newer.generation) == Refused(why="foreign")


async def test_a_ticket_lives_for_a_minute(
    store: ConversationStore, raw: redis.asyncio.Redis
) -> None:
    await store.admit(CALL, PRACTICE)

    (key,) = await raw.keys("ticket:*")
    assert 0 < await raw.ttl(key) <= TICKET_S


async def test_an_expired_ticket_admits_nobody(
    store: ConversationStore, raw: redis.asyncio.Redis
) -> None:
    ticket = await store.admit(CALL, PRACTICE)
    (key,) = await raw.keys("ticket:*")
    await raw.pexpire(key, 1)
    while await raw.exists(key):
        await asyncio.sleep(0.001)

    assert await store.redeem(ticket.token, CALL, 1) == Refused(why="gone")


async def test_redis_never_sees_a_token(store: ConversationStore, raw: redis.asyncio.Redis) -> None:
    ticket = await store.admit(CALL, PRACTICE)

    keys = await raw.keys("*")
    values = [await raw.get(key) for key in keys if key.startswith(b"ticket:")]
    assert ticket.token.encode() not in b" ".join([*keys, *values])


# --- generations -----------------------------------------------------------------------------


async def test_every_stream_of_a_call_is_a_new_generation(store: ConversationStore) -> None:
    tickets = await asyncio.gather(*(store.admit(CALL, PRACTICE) for _ in range(10)))

    assert sorted(ticket.generation for ticket in tickets) == list(range(1, 11))


async def test_what_was_saved_is_loaded(store: ConversationStore) -> None:
    await store.admit(CALL, PRACTICE)
    await store.save(CALL, 1, talk(1, "Hello?"))

    loaded = await store.load(CALL)

    assert loaded is not None
    assert [one.text for one in loaded.utterances] == ["Hello?"]


async def test_of_an_unknown_call_nothing_is_loaded(store: ConversationStore) -> None:
    assert await store.load("CA9") is None


async def test_a_later_stream_goes_on_with_the_conversation(store: ConversationStore) -> None:
    await store.admit(CALL, PRACTICE)
    await store.save(CALL, 1, talk(1, "Hello?"), ended="caller_line_lost")
    ticket = await store.admit(CALL, PRACTICE)

    answer = await store.redeem(ticket.token, CALL, ticket.generation)

    assert isinstance(answer, Admitted)
    assert answer.conversation.generation == 2
    assert answer.conversation.ended == ""
    assert [one.text for one in answer.conversation.utterances] == ["Hello?"]


async def test_a_write_by_the_ghost_of_an_older_stream_is_refused(store: ConversationStore) -> None:
    await store.admit(CALL, PRACTICE)
    await store.admit(CALL, PRACTICE)
    await store.save(CALL, 2, talk(2, "Newer."))

    with pytest.raises(CallHeldElsewhere):
        await store.save(CALL, 1, talk(1, "Older."), ended="caller_hung_up")

    loaded, state = await store.load(CALL), await store.state(CALL)
    assert loaded is not None
    assert [one.text for one in loaded.utterances] == ["Newer."]
    assert state is not None
    assert state.ended == ""


async def test_a_plan_by_the_ghost_of_an_older_stream_is_refused(store: ConversationStore) -> None:
    await store.admit(CALL, PRACTICE)
    await store.admit(CALL, PRACTICE)

    with pytest.raises(CallHeldElsewhere):
        await store.plan(CALL, 1, "goodbye")


async def test_writes_of_two_generations_in_any_order_leave_the_newers(
    store: ConversationStore,
) -> None:
    await store.admit(CALL, PRACTICE)
    await store.admit(CALL, PRACTICE)
    writes = [store.save(CALL, 1 + n % 2, talk(1 + n % 2, f"{n}")) for n in range(40)]

    outcomes = await asyncio.gather(*writes, return_exceptions=True)

    refused = [isinstance(outcome, CallHeldElsewhere) for outcome in outcomes]
    assert refused == [n % 2 == 0 for n in range(40)]
    loaded = await store.load(CALL)
    assert loaded is not None
    assert loaded.generation == 2


async def test_a_planned_step_is_left_for_resume_until_a_new_stream_begins(
    store: ConversationStore,
) -> None:
    await store.admit(CALL, PRACTICE)
    await store.plan(CALL, 1, "apology")

    planned = await store.state(CALL)
    await store.admit(CALL, PRACTICE)
    begun = await store.state(CALL)

    assert planned == CallState(practice=PRACTICE, generation=1, next_step="apology", ended="")
    assert begun == CallState(practice=PRACTICE, generation=2, next_step="", ended="")


async def test_an_unknown_call_has_no_state(store: ConversationStore) -> None:
    assert await store.state("CA9") is None


async def test_everything_of_a_call_expires(
    store: ConversationStore, raw: redis.asyncio.Redis
) -> None:
    await store.admit(CALL, PRACTICE)
    await store.save(CALL, 1, talk(1, "Hello?"))
    await store.plan(CALL, 1, "goodbye")

    lives = [await raw.ttl(key) for key in await raw.keys("*")]
    assert all(0 < life <= KEPT_S for life in lives)


async def test_the_words_of_a_call_that_ended_go_soon(
    store: ConversationStore, raw: redis.asyncio.Redis
) -> None:
    await store.admit(CALL, PRACTICE)
    await store.save(CALL, 1, talk(1, "Hello?"), ended="caller_hung_up")

    assert 0 < await raw.ttl(f"conversation:{CALL}") <= KEPT_ENDED_S


# --- older, newer and broken -----------------------------------------------------------------


async def test_fields_of_a_newer_version_are_passed_over(
    store: ConversationStore, raw: redis.asyncio.Redis
) -> None:
    await store.admit(CALL, PRACTICE)
    newer = msgspec.msgpack.decode(talk(1, "Hello?")) | {"version": 2, "mood": "good"}
    await raw.set(f"conversation:{CALL}", msgspec.msgpack.encode(newer))

    loaded = await store.load(CALL)

    assert loaded is not None
    assert len(loaded.utterances) == 1


async def test_fields_that_an_older_version_did_not_know_have_their_defaults(
    store: ConversationStore, raw: redis.asyncio.Redis
) -> None:
    await store.admit(CALL, PRACTICE)
    older = {"call_sid": CALL, "practice": PRACTICE, "started_utc": NOW}
    await raw.set(f"conversation:{CALL}", msgspec.msgpack.encode(older))

    assert await store.load(CALL) == Conversation(call_sid=CALL, practice=PRACTICE, started_utc=NOW)


async def test_a_conversation_that_cannot_be_read_does_not_keep_the_caller_out(
    store: ConversationStore, raw: redis.asyncio.Redis
) -> None:
    ticket = await store.admit(CALL, PRACTICE)
    await raw.set(f"conversation:{CALL}", b"\xc1 nonsense")

    answer = await store.redeem(ticket.token, CALL, 1)

    assert isinstance(answer, Admitted)
    assert answer.conversation.utterances == []


# --- Redis away ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.ping(),
        lambda store: store.admit(CALL, PRACTICE),
        lambda store: store.redeem("t", CALL, 1),
        lambda store: store.save(CALL, 1, b""),
        lambda store: store.plan(CALL, 1, "goodbye"),
        lambda store: store.state(CALL),
        lambda store: store.load(CALL),
    ],
    ids=["ping", "admit", "redeem", "save", "plan", "state", "load"],
)
async def test_without_redis_the_store_says_so(ask, tmp_path) -> None:
    store = ConversationStore(f"unix://{tmp_path}/nobody.sock", wall_clock=lambda: NOW)

    with pytest.raises(StateUnavailable):
        await ask(store)

    await store.aclose()


async def test_with_redis_the_store_is_ready(store: ConversationStore) -> None:
    await store.ping()
