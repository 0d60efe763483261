"""The queue inside Redis: every key, and every step that must happen at once, as Lua.

Keeps arq's layout (one sorted set a queue, ``arq:job:``, ``arq:in-progress:``, ``arq:retry:``,
``arq:result:``), so that viewers of arq queues keep working, and adds a doorbell, leases and a
fence. A running job stays in the sorted set with the end of its lease as score: invisible while
the lease is renewed, due again by itself when it is not. Clocks are Redis's own.

Needs Redis 6.2 or newer, one primary (no cluster: a job's keys are made inside the scripts).
"""

from typing import Final

from arq.constants import (
    in_progress_key_prefix,
    job_key_prefix,
    result_key_prefix,
    retry_key_prefix,
)

RECORD_KEPT_MS: Final = 24 * 3600 * 1000
"""A job's record outlives its budget by far: what became of an effect must still be found out."""
RESULT_KEPT_MS: Final = 24 * 3600 * 1000
"""While a result is kept the same function call is answered from it and never run again."""
TRIES_KEPT_MS: Final = RECORD_KEPT_MS
BELLS_KEPT: Final = 1000
"""Tokens at most on a doorbell nobody listens to; one token makes a worker take all it can."""
BELL_KEPT_MS: Final = 24 * 3600 * 1000
"""A doorbell of a queue that nobody uses any more goes; workers look without it, too."""


def queue_key(queue: str) -> str:
    """The sorted set: job id → instant in ms when it may (again) be taken."""
    return f"tools:{queue}"


def queue_name(key: str) -> str:
    """The queue of a sorted set's key."""
    return key.removeprefix("tools:")


def bell_key(queue: str) -> str:
    """The list a worker waits on."""
    return f"tool:bell:{queue}"


def alive_key(queue: str) -> str:
    """Sorted set: worker token → instant in ms until which it counts as alive."""
    return f"tool:alive:{queue}"


def job_key(job_id: str) -> str:
    """The job's record."""
    return job_key_prefix + job_id


def result_key(job_id: str) -> str:
    """The job's stored result."""
    return result_key_prefix + job_id


def outcomes_channel(call_sid: str) -> str:
    """Where a call's outcomes are published, whichever bridge holds it."""
    return f"outcomes:{call_sid}"


_NOW: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""

_NAMES: Final = f"""
local function record_of(id) return '{job_key_prefix}' .. id end
local function holder_of(id) return '{in_progress_key_prefix}' .. id end
local function tries_of(id) return '{retry_key_prefix}' .. id end
local function result_of(id) return '{result_key_prefix}' .. id end
"""

_RING: Final = f"""
local function ring(bell)
  redis.call('RPUSH', bell, '1')
  redis.call('LTRIM', bell, -{BELLS_KEPT}, -1)
  redis.call('PEXPIRE', bell, {BELL_KEPT_MS})
end
"""

ENQUEUE: Final = (
    _NOW
    + _NAMES
    + _RING
    + """
-- KEYS queue, bell. ARGV id, record, record kept ms.
-- {'done', result} | {'there'} | {'queued'}: sending it again after a lost answer is harmless.
local id = ARGV[1]
local result = redis.call('GET', result_of(id))
if result then return {'done', result} end
local fresh = redis.call('SET', record_of(id), ARGV[2], 'PX', ARGV[3], 'NX')
local added = redis.call('ZADD', KEYS[1], 'NX', now, id)
if added == 1 then ring(KEYS[2]) end
if fresh then return {'queued'} end
return {'there'}
"""
)

CLAIM: Final = (
    _NOW
    + _NAMES
    + """
-- KEYS queues, most urgent first. ARGV token, lease ms, tries kept ms, then free slots a queue.
-- {{{queue, id, record, try}, ...}, ms until something falls due, or -1}
local claimed, next_due = {}, -1
for n, queue in ipairs(KEYS) do
  local free = tonumber(ARGV[3 + n])
  if free > 0 then
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, free)) do
      local record = redis.call('GET', record_of(id))
      if record then
        local try = redis.call('INCR', tries_of(id))
        redis.call('PEXPIRE', tries_of(id), ARGV[3])
        redis.call('SET', holder_of(id), ARGV[1], 'PX', ARGV[2])
        redis.call('ZADD', queue, now + ARGV[2], id)
        claimed[#claimed + 1] = {queue, id, record, try}
      else
        redis.call('ZREM', queue, id)
        redis.call('DEL', tries_of(id), holder_of(id))
      end
    end
    local first = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
    if first[2] then
      local wait = math.max(0, tonumber(first[2]) - now)
      if next_due < 0 or wait < next_due then next_due = wait end
    end
  end
end
return {claimed, next_due}
"""
)

RENEW: Final = (
    _NOW
    + _NAMES
    + """
-- KEYS alive sets. ARGV token, lease ms, alive ms, then queue, id, queue, id, ...
-- The ids that are this worker's no more.
for _, alive in ipairs(KEYS) do
  redis.call('ZADD', alive, now + ARGV[3], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', alive, '-inf', '(' .. now)
  redis.call('PEXPIRE', alive, 3600000)
end
local lost = {}
for n = 4, #ARGV, 2 do
  local queue, id = ARGV[n], ARGV[n + 1]
  if redis.call('GET', holder_of(id)) == ARGV[1] then
    redis.call('PEXPIRE', holder_of(id), ARGV[2])
    redis.call('ZADD', queue, 'XX', now + ARGV[2], id)
  else
    lost[#lost + 1] = id
  end
end
return lost
"""
)

FINISH: Final = (
    _NAMES
    + """
-- KEYS queue, channel. ARGV id, token, result, result kept ms, message.
-- 1 when this result counts, 0 when another worker took the job meanwhile or had answered it.
local id = ARGV[1]
local holder = redis.call('GET', holder_of(id))
if holder and holder ~= ARGV[2] then return 0 end
if redis.call('SET', result_of(id), ARGV[3], 'PX', ARGV[4], 'NX') == false then return 0 end
redis.call('DEL', record_of(id), holder_of(id), tries_of(id))
redis.call('ZREM', KEYS[1], id)
redis.call('PUBLISH', KEYS[2], ARGV[5])
return 1
"""
)

GIVE_BACK: Final = (
    _NOW
    + _NAMES
    + _RING
    + """
-- KEYS queue, bell. ARGV id, token. A job given back was not tried: its count goes down again.
local id = ARGV[1]
if redis.call('GET', holder_of(id)) ~= ARGV[2] then return 0 end
redis.call('DEL', holder_of(id))
redis.call('DECR', tries_of(id))
redis.call('ZADD', KEYS[1], 'XX', now, id)
ring(KEYS[2])
return 1
"""
)

RING: Final = (
    _RING
    + """
-- KEYS bells.
for _, bell in ipairs(KEYS) do ring(bell) end
return 1
"""
)

DISCARD: Final = (
    _NAMES
    + """
-- KEYS queue. ARGV id, token. Nobody waits for what nobody can read.
local id = ARGV[1]
if redis.call('GET', holder_of(id)) ~= ARGV[2] then return 0 end
redis.call('DEL', record_of(id), holder_of(id), tries_of(id))
redis.call('ZREM', KEYS[1], id)
return 1
"""
)

RELEASE: Final = (
    _NOW
    + _NAMES
    + _RING
    + """
-- KEYS queue, alive set, bell. ARGV token of a worker that is dead for certain.
-- How many of its jobs are free for others now; each keeps its count of tries.
redis.call('ZREM', KEYS[2], ARGV[1])
local freed = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')) do
  if redis.call('GET', holder_of(id)) == ARGV[1] then
    redis.call('DEL', holder_of(id))
    redis.call('ZADD', KEYS[1], 'XX', now, id)
    ring(KEYS[3])
    freed = freed + 1
  end
end
return freed
"""
)

CANCEL: Final = (
    _NAMES
    + """
-- KEYS queue. ARGV id. 1 when the job never began and never will, 0 when it did or is not there.
-- One whose worker died has begun; it is taken off as well, so that no other does it in vain.
local id = ARGV[1]
if redis.call('EXISTS', result_of(id), holder_of(id)) > 0 then return 0 end
local begun = tonumber(redis.call('GET', tries_of(id)) or '0') > 0
redis.call('DEL', record_of(id), tries_of(id))
local there = redis.call('ZREM', KEYS[1], id)
if begun then return 0 end
return there
"""
)

LOOK: Final = (
    _NAMES
    + """
-- ARGV ids. For each {'done', result} | {'there'} | {'lost'}
local seen = {}
for n, id in ipairs(ARGV) do
  local result = redis.call('GET', result_of(id))
  if result then seen[n] = {'done', result}
  elseif redis.call('EXISTS', record_of(id)) == 1 then seen[n] = {'there'}
  else seen[n] = {'lost'} end
end
return seen
"""
)

DEPTH: Final = (
    _NOW
    + """
-- KEYS queue, alive set, queue, alive set, ... {waiting, running, age of oldest ms, workers} each.
local depths = {}
for n = 1, #KEYS, 2 do
  local oldest = redis.call('ZRANGEBYSCORE', KEYS[n], '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)
  depths[#depths + 1] = {
    redis.call('ZCOUNT', KEYS[n], '-inf', now),
    redis.call('ZCOUNT', KEYS[n], '(' .. now, '+inf'),
    oldest[2] and math.max(0, now - tonumber(oldest[2])) or 0,
    redis.call('ZCOUNT', KEYS[n + 1], now, '+inf'),
  }
end
return depths
"""
)
