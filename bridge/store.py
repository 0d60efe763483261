"""Where a call's state lives: Redis, versioned, every write fenced by the stream's generation.

Keys (all expire ``KEPT_S`` after the last write, ``KEPT_ENDED_S`` after the call's end):

* ``call:{call_sid}`` hash: ``practice``, ``generation``, ``started_utc``, ``next_step``,
  ``ended``.
* ``conversation:{call_sid}`` the conversation as MessagePack.
* ``ticket:{digest}`` what a one-use token admits; expires after ``TICKET_S``.

A write by an owner whose generation is older than the call's is refused (``CallHeldElsewhere``).
Nothing on the media path waits for any of this.
"""

import hashlib
import secrets
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog
from redis.exceptions import RedisError

from bridge.call.commands import NextStep
from bridge.call.conversation import Conversation
from bridge.errors import CallHeldElsewhere, StateUnavailable
from tools.connections import connect

KEPT_S: Final = 6 * 3600
"""Longer than the longest call and everything that may follow it."""
KEPT_ENDED_S: Final = 15 * 60
"""Once a call has ended nobody needs its words here; late callbacks come within minutes."""
TICKET_S: Final = 60
"""Between the TwiML and ``start`` lie 0.6 s (twilio-voice.md 1.4)."""

_TOKEN_BYTES = 32

log = structlog.get_logger()

# KEYS call, ticket · ARGV practice, now, kept s, ticket s, call_sid. A new stream is a new
# generation: whoever held the call before is fenced off from here on.
_ADMIT = """
local generation = redis.call('HINCRBY', KEYS[1], 'generation', 1)
redis.call('HSETNX', KEYS[1], 'practice', ARGV[1])
redis.call('HSETNX', KEYS[1], 'started_utc', ARGV[2])
redis.call('HDEL', KEYS[1], 'next_step')
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[5] .. ' ' .. generation, 'EX', ARGV[4])
return generation
"""

# KEYS ticket · ARGV call_sid, generation, call-key prefix. A ticket is used up by any attempt.
_REDEEM = """
local ticket = redis.call('GET', KEYS[1])
if not ticket then return {'gone'} end
redis.call('DEL', KEYS[1])
if ticket ~= ARGV[1] .. ' ' .. ARGV[2] then return {'foreign'} end
local call = redis.call('HMGET', KEYS[2], 'generation', 'practice', 'started_utc')
if call[1] ~= ARGV[2] then return {'stale'} end
return {'admitted', call[2], call[3], redis.call('GET', KEYS[3])}
"""

# KEYS call, conversation · ARGV generation, bytes, kept s, ended
_SAVE = """
local generation = tonumber(redis.call('HGET', KEYS[1], 'generation') or '0')
if generation > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'ended', ARGV[4]) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""

# KEYS call · ARGV generation, next step, kept s
_PLAN = """
local generation = tonumber(redis.call('HGET', KEYS[1], 'generation') or '0')
if generation > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'next_step', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """The right to attach one media stream to one call."""

    token: str
    """Travels in a ``<Parameter>``; Redis knows only its digest."""
    generation: int


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """A stream whose token was good."""

    practice: str
    generation: int
    conversation: Conversation
    """A new one, or what an earlier stream of the call left."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that may not attach."""

    why: str
    """``gone`` (unknown, used or expired), ``foreign`` (another call's), ``stale`` (an older
    generation)."""


class CallState(msgspec.Struct, frozen=True, kw_only=True):
    """What ``/twilio/resume`` needs to know."""

    practice: str
    generation: int
    next_step: str
    ended: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Conversation).decode


def encode_conversation(conversation: Conversation) -> bytes:
    """The conversation as it is stored."""
    return _encode(conversation)


class ConversationStore:
    """Load, save and claim calls. Every method raises ``StateUnavailable`` when Redis is away."""

    def __init__(self, redis_url: str, *, wall_clock: Callable[[], float]) -> None:
        self._redis: Any = connect(redis_url)
        self._wall_clock = wall_clock
        self._admit = self._redis.register_script(_ADMIT)
        self._redeem = self._redis.register_script(_REDEEM)
        self._save = self._redis.register_script(_SAVE)
        self._plan = self._redis.register_script(_PLAN)

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

    async def ping(self) -> None:
        """Nothing, if Redis answers."""
        await self._ask(self._redis.ping())

    async def admit(self, call_sid: str, practice: str) -> Ticket:
        """A ticket for the next stream of this call; every earlier stream is fenced off."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        generation = await self._ask(
            self._admit(
                keys=[_call_key(call_sid), _ticket_key(token)],
                args=[practice, self._wall_clock(), KEPT_S, TICKET_S, call_sid],
            )
        )
        return Ticket(token=token, generation=int(generation))

    async def redeem(self, token: str, call_sid: str, generation: int) -> Admitted | Refused:
        """Use a token up: it admits one stream of its own call and generation, once."""
        answer = await self._ask(
            self._redeem(
                keys=[_ticket_key(token), _call_key(call_sid), _conversation_key(call_sid)],
                args=[call_sid, generation],
            )
        )
        if answer[0] != b"admitted":
            return Refused(why=answer[0].decode())
        practice, started_utc = answer[1].decode(), float(answer[2])
        stored = answer[3] if len(answer) > 3 else None
        conversation = _readable(stored) or Conversation(
            call_sid=call_sid, practice=practice, started_utc=started_utc
        )
        conversation.generation = generation
        conversation.ended = ""
        return Admitted(practice=practice, generation=generation, conversation=conversation)

    async def save(self, call_sid: str, generation: int, stored: bytes, *, ended: str = "") -> None:
        """Keep an encoded conversation.

        Raises:
            CallHeldElsewhere: a newer stream holds the call; nothing was written.
        """
        kept = await self._ask(
            self._save(
                keys=[_call_key(call_sid), _conversation_key(call_sid)],
                args=[generation, stored, KEPT_ENDED_S if ended else KEPT_S, ended],
            )
        )
        if not kept:
            raise CallHeldElsewhere(f"generation {generation} is over")

    async def plan(self, call_sid: str, generation: int, next_step: NextStep) -> None:
        """Leave word for ``/twilio/resume``.

        Raises:
            CallHeldElsewhere: a newer stream holds the call; nothing was written.
        """
        kept = await self._ask(
            self._plan(keys=[_call_key(call_sid)], args=[generation, next_step, KEPT_S])
        )
        if not kept:
            raise CallHeldElsewhere(f"generation {generation} is over")

    async def state(self, call_sid: str) -> CallState | None:
        """Where the call stands; None if we never heard of it."""
        practice, generation, next_step, ended = await self._ask(
            self._redis.hmget(_call_key(call_sid), ["practice", "generation", "next_step", "ended"])
        )
        if practice is None:
            return None
        return CallState(
            practice=practice.decode(),
            generation=int(generation),
            next_step=(next_step or b"").decode(),
            ended=(ended or b"").decode(),
        )

    async def load(self, call_sid: str) -> Conversation | None:
        """The conversation as it was last saved; None if there is none that we can read."""
        stored = await self._ask(self._redis.get(_conversation_key(call_sid)))
        return _readable(stored)

    async def _ask(self, command: Any) -> Any:
        try:
            return await command
        except (RedisError, OSError) as error:
            raise StateUnavailable(f"Redis: {type(error).__name__}") from error


def _readable(stored: bytes | None) -> Conversation | None:
    """Half a memory is worse than none: of what cannot be read nothing is taken over."""
    try:
        return None if stored is None else _decode(stored)
    except msgspec.DecodeError:
        log.error("conversation_unreadable", code="bridge_error")
        return None


def _call_key(call_sid: str) -> str:
    return f"call:{call_sid}"


def _conversation_key(call_sid: str) -> str:
    return f"conversation:{call_sid}"


def _ticket_key(token: str) -> str:
    return f"ticket:{hashlib.sha256(token.encode()).hexdigest()}"
