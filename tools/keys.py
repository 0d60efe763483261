"""Where everything of the queue lies in Redis, for how long, and how much of it.

Owns every key of the queue. arq's own layout is kept (one sorted set a queue, ``arq:job:``,
``arq:in-progress:``, ``arq:retry:``, ``arq:result:``), so that viewers of arq queues keep working.
Leaves what is done to the keys to ``scripts``.
"""

from collections.abc import Iterable
from typing import Final

from arq.constants import job_key_prefix, result_key_prefix

RECORD_KEPT_MS: Final = 24 * 3600 * 1000
"""A job's record outlives its budget by far: what became of an effect must still be found out."""
RESULT_KEPT_MS: Final = 24 * 3600 * 1000
"""While a result is kept the same function call is answered from it and never run again. So is a
refusal: what a caller was told stays so."""
TRIES_KEPT_MS: Final = RECORD_KEPT_MS
PRIORITY_MS: Final = 7 * 24 * 3600 * 1000
"""So much earlier is a job due that a caller waits for. Longer than any record lives, so that the
two kinds never meet."""
MOST_WAITING: Final = 500
"""Jobs on one queue beyond which a caller's is refused: ten busy workers need a minute for them."""
MOST_IN_BACKGROUND: Final = 10 * MOST_WAITING
"""The same for a job that nobody waits for: only a Redis that fills up is a reason to refuse it."""
BELLS_KEPT: Final = 1000
"""Tokens at most on a doorbell nobody listens to; one token makes a worker take all it can."""
BELL_KEPT_MS: Final = 24 * 3600 * 1000
"""A doorbell of a queue that nobody uses any more goes; workers look without it, too."""

WINDOW_MS: Final = 10_000
"""Outcomes are counted for so long, from the first one on: the longest budget and a little."""
BAD_ENOUGH: Final = 5
"""Fewer failures in a window are bad luck; these, if they are half of all, are an outage."""
OPEN_MS: Final = 5_000
"""So long a breaker that opened lets nobody through: what is overloaded needs seconds, and a caller
who is told at once may leave a message."""
PROBE_MS: Final = 2_000
"""One job at a time then finds out whether the backend is back; the next one, if that is lost."""

DEAD_LENGTH: Final = 1_000
"""Dead letters kept; more than a person will ever look through."""
DEAD_KEPT_MS: Final = 7 * 24 * 3600 * 1000
"""So long a dead letter can be tried again: over any long weekend."""
LOG_LENGTH: Final = 10_000
"""Ended jobs kept in the log: some hours of a busy house, three megabytes."""

ALIVE_KEY: Final = "tool:alive"
"""Sorted set: who serves what (``alive_name``) → instant in ms until which it counts as alive."""
MEMORY_KEY: Final = "tool:memory"
"""A word that lasts as long as this Redis remembers: another one means that it has forgotten."""
BREAKERS_KEY: Final = "tool:breakers"
"""Hash: a breaker that is not closed → since when and until when it is open, both in ms."""
LOG_KEY: Final = "tool:log"
"""Stream: one entry for every job that ended; nothing about a patient."""
DEAD_KEY: Final = "tool:dead"
"""Stream: the dead letters; nothing about a patient."""


def queue_key(queue: str) -> str:
    """The sorted set: job id → instant in ms when it may (again) be taken."""
    return f"tools:{queue}"


def queue_name(key: str) -> str:
    """The queue of a sorted set's key."""
    return key.removeprefix("tools:")


def bell_key(queue: str) -> str:
    """The list a worker waits on."""
    return f"tool:bell:{queue}"


def alive_name(queues: Iterable[str], token: str) -> str:
    """How a worker signs. Without a token: one is about to start."""
    return f",{','.join(queues)},|{token}"


def served_mark(queue: str) -> str:
    """What is in the name of every worker that serves this queue."""
    return f",{queue},"


def job_key(job_id: str) -> str:
    """The job's record."""
    return job_key_prefix + job_id


def result_key(job_id: str) -> str:
    """The job's stored result."""
    return result_key_prefix + job_id


def refusal_key(job_id: str) -> str:
    """Why the job was never begun and never will be, in one word."""
    return f"tool:refusal:{job_id}"


def dead_record_key(job_id: str) -> str:
    """The record of a job that is a dead letter."""
    return f"tool:dead:{job_id}"


def breaker_name(practice: str, backend: str) -> str:
    """What a breaker guards; empty where nothing can be away."""
    return f"{practice}:{backend}" if backend else ""


def outcomes_channel(call_sid: str) -> str:
    """Where a call's outcomes are published, whichever bridge holds it."""
    return f"outcomes:{call_sid}"


def entry_utc(entry_id: bytes) -> float:
    """When an entry was put into a stream, in epoch seconds."""
    return int(entry_id.split(b"-")[0]) / 1000
