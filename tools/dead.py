"""Dead letters: jobs that killed their workers, ended in a mistake of ours, or cannot be read.

The list holds nothing about a patient; the record lies beside it for a week, so that a job can be
tried again once the mistake is mended. Leaves to the worker what is dead, and to the ledger that
an effect tried again happens once.
"""

import time
from typing import Final
from uuid import uuid4

import msgspec
from arq import ArqRedis

from tools import keys, scripts
from tools.catalog import QUEUED
from tools.connections import reached
from tools.records import decode_job, encode_job

_AWAY: Final = "The dead letters cannot be reached."

RETRY: Final = (
    scripts.NOW
    + scripts.RING
    + f"""
-- KEYS queue, bell, record of the dead letter, record of the new job. ARGV entry, new id, record,
-- record kept ms. 1, or 0 when somebody was quicker.
if redis.call('XDEL', '{keys.DEAD_KEY}', ARGV[1]) == 0 then return 0 end
redis.call('DEL', KEYS[3])
redis.call('SET', KEYS[4], ARGV[3], 'PX', ARGV[4])
redis.call('ZADD', KEYS[1], now, ARGV[2])
ring(KEYS[2])
return 1
"""
)


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One job that nobody will run again by himself."""

    job_id: str
    tool: str
    """Empty when the record cannot be read."""
    code: str
    """``poison``: it was claimed too often by workers that died. ``internal``: a mistake of ours.
    ``unreadable``: it is no job."""
    tries: int
    worker: str
    """The last one that had it."""
    queue: str
    died_utc: float


class DeadLetters:
    """The dead letters of one Redis; raises ``Unavailable`` where it does not answer."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        self._retry = redis.register_script(RETRY)

    async def newest(self, limit: int) -> list[DeadLetter]:
        """The newest first."""
        return [letter for _, letter in await self._entries(limit)]

    async def retry(self, job_id: str) -> str | None:
        """Put it on its queue once more, with a budget from now, behind all that callers wait for.

        It gets an id of its own: what its caller was told of the first one stays as it is. The key
        of its effect is the same, so it cannot happen twice.

        Returns:
            The id of the new job; None when there is no such letter, or no job in it.
        """
        entries = await self._entries(keys.DEAD_LENGTH * 2)
        entry_id = next((entry for entry, letter in entries if letter.job_id == job_id), None)
        if entry_id is None:
            return None
        with reached(_AWAY):
            record = await self._redis.get(keys.dead_record_key(job_id))
        try:
            job = decode_job(record or b"").job
        except msgspec.DecodeError:
            return None
        if job.tool not in QUEUED:
            return None
        again = msgspec.structs.replace(
            job,
            function_call_id=f"{job.function_call_id}~{uuid4().hex[:8]}",
            asked_utc=time.time(),
        )
        queue = QUEUED[job.tool].queue
        with reached(_AWAY):
            put_on = await self._retry(
                keys=[
                    keys.queue_key(queue),
                    keys.bell_key(queue),
                    keys.dead_record_key(job_id),
                    keys.job_key(again.job_id),
                ],
                args=[entry_id, again.job_id, encode_job(again), keys.RECORD_KEPT_MS],
            )
        return again.job_id if put_on else None

    async def purge(self) -> int:
        """Forget all that are there now, with their records; how many there were."""
        entries = await self._entries(keys.DEAD_LENGTH * 2)
        if not entries:
            return 0
        with reached(_AWAY):
            await self._redis.delete(*(keys.dead_record_key(one.job_id) for _, one in entries))
            return int(
                await self._redis.xdel(keys.DEAD_KEY, *(entry_id for entry_id, _ in entries))
            )

    async def _entries(self, limit: int) -> list[tuple[bytes, DeadLetter]]:
        with reached(_AWAY):
            found = await self._redis.xrevrange(keys.DEAD_KEY, count=limit)
        return [
            (
                entry_id,
                DeadLetter(
                    job_id=entry[b"id"].decode(),
                    tool=entry[b"tool"].decode(),
                    code=entry[b"code"].decode(),
                    tries=int(entry[b"tries"]),
                    worker=entry[b"worker"].decode(),
                    queue=keys.queue_name(entry[b"queue"].decode()),
                    died_utc=keys.entry_utc(entry_id),
                ),
            )
            for entry_id, entry in found
        ]
