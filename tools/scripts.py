"""The queue inside Redis: every step that must happen at once, as Lua.

A doorbell, leases and a fence above arq's layout (``keys``). A running job stays in the sorted set
with the end of its lease as score: invisible while the lease is renewed, due again by itself when
it is not. A job that a caller waits for comes before all others: it is put on as if it had been
there for a week. Clocks are Redis's own.

Needs Redis 6.2 or newer, one primary (no cluster: a job's keys are made inside the scripts).
"""

from typing import Final

from arq.constants import (
    in_progress_key_prefix,
    job_key_prefix,
    result_key_prefix,
    retry_key_prefix,
)

from tools.keys import (
    ALIVE_KEY,
    BAD_ENOUGH,
    BELL_KEPT_MS,
    BELLS_KEPT,
    BREAKERS_KEY,
    DEAD_KEPT_MS,
    DEAD_KEY,
    DEAD_LENGTH,
    LOG_KEY,
    LOG_LENGTH,
    MEMORY_KEY,
    MOST_IN_BACKGROUND,
    MOST_WAITING,
    OPEN_MS,
    PRIORITY_MS,
    PROBE_MS,
    RESULT_KEPT_MS,
    WINDOW_MS,
    dead_record_key,
    refusal_key,
)

NOW: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""

NAMES: Final = f"""
local function record_of(id) return '{job_key_prefix}' .. id end
local function holder_of(id) return '{in_progress_key_prefix}' .. id end
local function tries_of(id) return '{retry_key_prefix}' .. id end
local function result_of(id) return '{result_key_prefix}' .. id end
local function refusal_of(id) return '{refusal_key("")}' .. id end
local function begun_of(id) return 'tool:begun:' .. id end
local function probe_of(name) return 'tool:probe:' .. name end
local function tally_of(name) return 'tool:tally:' .. name end
"""

RING: Final = f"""
local function ring(bell)
  local tokens = redis.call('RPUSH', bell, '1')
  if tokens == 2 then redis.call('PEXPIRE', bell, {BELL_KEPT_MS}) end  -- nobody took the first
  if tokens > {BELLS_KEPT} then redis.call('LTRIM', bell, -{BELLS_KEPT}, -1) end
end
"""

# While a job is leased its score is an instant to come, and half a millisecond on top tells that a
# caller waits for it: whoever frees it puts it back among its like.
_RANK: Final = f"""
local function score_of(live)
  if live then return now - {PRIORITY_MS} end
  return now
end
local function is_live(leased_until) return leased_until % 1 > 0 end
"""

_ADMISSION: Final = f"""
local function served(mark)
  for _, name in ipairs(redis.call('ZRANGE', '{ALIVE_KEY}', now, '+inf', 'BYSCORE')) do
    if string.find(name, mark, 1, true) then return true end
  end
  return false
end
local function full(queue, live, budget)
  local waiting = redis.call('ZCOUNT', queue, '-inf', now)
  if waiting == 0 then return false end
  if not live then return waiting >= {MOST_IN_BACKGROUND} end
  local first = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
  local oldest = now - {PRIORITY_MS} - first[2]
  return waiting >= {MOST_WAITING} or oldest * 2 > budget
end
local function broken(name, id)
  local state = name ~= '' and redis.call('HGET', '{BREAKERS_KEY}', name)
  if not state then return false end
  if tonumber(string.match(state, '%d+$')) > now then return true end
  return not redis.call('SET', probe_of(name), id, 'PX', {PROBE_MS}, 'NX')
end
"""

_COUNTING: Final = f"""
local function count(name, bad)
  local function now()
    local clock = redis.call('TIME')
    return clock[1] * 1000 + math.floor(clock[2] / 1000)
  end
  local state = redis.call('HGET', '{BREAKERS_KEY}', name)
  if state then
    local since, till = string.match(state, '^(%d+) (%d+)$')
    if tonumber(till) > now() then return end  -- begun before it opened: that is no news
    if bad then
      redis.call('HSET', '{BREAKERS_KEY}', name, string.format('%s %.0f', since, now() + {OPEN_MS}))
    else
      redis.call('HDEL', '{BREAKERS_KEY}', name)
    end
    redis.call('DEL', probe_of(name), tally_of(name))
    return
  end
  local so_many = redis.call('HINCRBY', tally_of(name), bad and 'bad' or 'good', 1)
  if so_many == 1 and redis.call('HLEN', tally_of(name)) == 1 then
    redis.call('PEXPIRE', tally_of(name), {WINDOW_MS})
  end
  if not bad or so_many < {BAD_ENOUGH} then return end
  if so_many >= tonumber(redis.call('HGET', tally_of(name), 'good') or '0') then
    local at = now()
    redis.call('HSET', '{BREAKERS_KEY}', name, string.format('%.0f %.0f', at, at + {OPEN_MS}))
    redis.call('DEL', tally_of(name))
  end
end
"""

_BURIAL: Final = f"""
local function bury(id, tool, code, tries, worker, queue)
  if redis.call('EXISTS', record_of(id)) == 0 then return end
  local record = '{dead_record_key("")}' .. id
  redis.call('RENAME', record_of(id), record)
  redis.call('PEXPIRE', record, {DEAD_KEPT_MS})
  redis.call('XADD', '{DEAD_KEY}', 'MAXLEN', '~', {DEAD_LENGTH}, '*', 'id', id, 'tool', tool,
    'code', code, 'tries', tries, 'worker', worker, 'queue', queue)
end
"""

ENQUEUE: Final = (
    NOW
    + NAMES
    + RING
    + _RANK
    + _ADMISSION
    + f"""
-- KEYS queue, bell. ARGV id, record, record kept ms, 1 if a caller waits, budget ms, breaker,
-- mark of who serves the queue, what is asked first (all, load, nothing), 1 to keep a refusal.
-- The first word of the answer: 'done' (a result), 'refused' (why), 'there', or 'queued'; the last:
-- what Redis's memory is called. Sending it again after a lost answer is harmless.
local id, queue, live = ARGV[1], KEYS[1], ARGV[4] == '1'
local kept = redis.call('MGET', result_of(id), refusal_of(id), '{MEMORY_KEY}')
local memory = kept[3]
if not memory then
  memory = clock[1] .. '.' .. clock[2]
  redis.call('SET', '{MEMORY_KEY}', memory)
end
if kept[1] then return {{'done', kept[1], memory}} end
if kept[2] then return {{'refused', kept[2], memory}} end
if not redis.call('SET', record_of(id), ARGV[2], 'PX', ARGV[3], 'NX') then
  if redis.call('ZADD', queue, 'NX', score_of(live), id) == 1 then ring(KEYS[2]) end
  return {{'there', '', memory}}
end
local why = nil
if ARGV[8] == 'all' and live and not served(ARGV[7]) then why = 'no_worker'
elseif ARGV[8] ~= 'nothing' and full(queue, live, tonumber(ARGV[5])) then why = 'full'
elseif ARGV[8] ~= 'nothing' and broken(ARGV[6], id) then why = 'breaker' end
if why then
  redis.call('DEL', record_of(id))
  if ARGV[9] == '1' then redis.call('SET', refusal_of(id), why, 'PX', {RESULT_KEPT_MS}) end
  return {{'refused', why, memory}}
end
redis.call('ZADD', queue, score_of(live), id)
ring(KEYS[2])
return {{'queued', '', memory}}
"""
)

GIVE_UP: Final = (
    NAMES
    + f"""
-- KEYS queue. ARGV id, what Redis's memory was called when the job was put on, or ''.
-- 'done' (a result) | 'refused' (why) | 'in_flight' | 'forgotten' | 'withdrawn' | 'absent'. After
-- the last two it is refused whenever it may still arrive. What was asked of a Redis that has
-- forgotten it since may have been done: it is not withdrawn.
local id = ARGV[1]
local kept = redis.call('MGET', result_of(id), refusal_of(id), holder_of(id), tries_of(id),
  begun_of(id), '{MEMORY_KEY}')
if kept[1] then return {{'done', kept[1]}} end
if kept[2] then return {{'refused', kept[2]}} end
if kept[3] or kept[5] or tonumber(kept[4] or '0') > 0 then return {{'in_flight', ''}} end
if ARGV[2] ~= '' and ARGV[2] ~= kept[6] then return {{'forgotten', ''}} end
local there = redis.call('DEL', record_of(id))
redis.call('DEL', tries_of(id))
redis.call('ZREM', KEYS[1], id)
redis.call('SET', refusal_of(id), 'withdrawn', 'PX', {RESULT_KEPT_MS})
return {{there == 1 and 'withdrawn' or 'absent', ''}}
"""
)

CLAIM: Final = (
    NOW
    + NAMES
    + _RANK
    + f"""
-- KEYS queue, bell, queue, bell, ..., most urgent first. ARGV token, lease ms, tries kept ms, the
-- worker's name or '' when it need not sign, alive ms, until when it claims, free slots a queue.
-- {{{{queue, id, record, try, 1 if a caller waits}}, ...}}, ms until more falls due or -1, and now.
-- Who waited for a bell in vain may be frozen by now: it claims nothing without asking once more.
if ARGV[4] ~= '' then redis.call('ZADD', '{ALIVE_KEY}', now + ARGV[5], ARGV[4]) end
local claimed, next_due = {{}}, -1
local rung = now < tonumber(ARGV[6])
for n = 1, #KEYS, 2 do
  local queue, free = KEYS[n], tonumber(ARGV[6 + (n + 1) / 2])
  local first = free > 0 and redis.call('ZRANGE', queue, 0, free, 'WITHSCORES') or {{}}
  local taken, wait = 0, -1
  for m = 1, #first, 2 do
    local id, score = first[m], tonumber(first[m + 1])
    wait = math.max(0, score - now)
    if wait > 0 or taken == free or not rung then break end
    local kept = redis.call('MGET', record_of(id), begun_of(id))
    local record, try = kept[1], 1
    if record then
      local live = score < now - {PRIORITY_MS // 2} or is_live(score)
      if not redis.call('SET', tries_of(id), 1, 'PX', ARGV[3], 'NX') then
        try = redis.call('INCR', tries_of(id))
      end
      if kept[2] and try == 1 then try = 2 end  -- it was given back: who runs it must know
      redis.call('SET', holder_of(id), ARGV[1], 'PX', ARGV[2])
      redis.call('ZADD', queue, now + ARGV[2] + (live and 0.5 or 0), id)
      taken = taken + 1
      claimed[#claimed + 1] = {{queue, id, record, try, live and 1 or 0}}
    else
      redis.call('ZREM', queue, id)
      redis.call('DEL', tries_of(id), holder_of(id), begun_of(id))
    end
    wait = -1
  end
  if taken < free and wait < 0 and #first == 2 * (free + 1) then wait = 0 end
  if taken > 1 and wait ~= 0 then redis.call('DEL', KEYS[n + 1]) end  -- nothing left to ring for
  if taken < free and wait >= 0 and (next_due < 0 or wait < next_due) then next_due = wait end
end
return {{claimed, next_due, now}}
"""
)

RENEW: Final = (
    NOW
    + NAMES
    + f"""
-- ARGV token, lease ms, the worker's name or '' when it need not sign, alive ms, 1 to sweep, then
-- queue, id, 1 if a caller waits, queue, id, ... The ids that are this worker's no more.
if ARGV[3] ~= '' then redis.call('ZADD', '{ALIVE_KEY}', now + ARGV[4], ARGV[3]) end
if ARGV[5] == '1' then redis.call('ZREMRANGEBYSCORE', '{ALIVE_KEY}', '-inf', '(' .. now) end
local lost = {{}}
for n = 6, #ARGV, 3 do
  local queue, id, half = ARGV[n], ARGV[n + 1], ARGV[n + 2] == '1' and 0.5 or 0
  if redis.call('GET', holder_of(id)) == ARGV[1] then
    redis.call('PEXPIRE', holder_of(id), ARGV[2])
    redis.call('ZADD', queue, 'XX', now + ARGV[2] + half, id)
  else
    lost[#lost + 1] = id
  end
end
return lost
"""
)

FINISH: Final = (
    NAMES
    + _COUNTING
    + _BURIAL
    + f"""
-- KEYS queue, channel. ARGV id, token, result, result kept ms, message, breaker, 1 if the outcome
-- speaks against what it guards, why it is a dead letter or '', tool, tries, outcome, ms waiting,
-- ms running, 1 if it was late. 1 when this result counts, 0 when there is another one already, or
-- another worker has the job.
local id, token = ARGV[1], ARGV[2]
local holder = redis.call('GET', holder_of(id))
if holder and holder ~= token then return 0 end
local counts = redis.call('SET', result_of(id), ARGV[3], 'PX', ARGV[4], 'NX')
if not counts and not holder then return 0 end
if counts and ARGV[8] ~= '' then bury(id, ARGV[9], ARGV[8], ARGV[10], token, KEYS[1]) end
redis.call('DEL', record_of(id), holder_of(id), tries_of(id), begun_of(id))
redis.call('ZREM', KEYS[1], id)
if not counts then return 0 end
redis.call('PUBLISH', KEYS[2], ARGV[5])
if ARGV[6] ~= '' then count(ARGV[6], ARGV[7] == '1') end
redis.call('XADD', '{LOG_KEY}', 'MAXLEN', '~', {LOG_LENGTH}, '*', 'id', id, 'tool', ARGV[9],
  'tries', ARGV[10], 'outcome', ARGV[11], 'waited_ms', ARGV[12], 'took_ms', ARGV[13],
  'late', ARGV[14], 'worker', token)
return 1
"""
)

ANNOUNCE: Final = (
    NAMES
    + """
-- KEYS queue, channel. ARGV id, result, result kept ms, message. How many hear it.
-- A doubt, nothing, or what nobody can read gives way to the result; what is final stays.
local id = ARGV[1]
local kept = redis.call('GET', result_of(id))
local read, record = pcall(cmsgpack.unpack, kept or '')
local final = read and type(record) == 'table' and type(record.r) == 'table'
  and record.r.code ~= 'doubt'
if not final then
  redis.call('SET', result_of(id), ARGV[2], 'PX', ARGV[3])
  redis.call('DEL', refusal_of(id))
  if redis.call('EXISTS', holder_of(id)) == 0 then
    redis.call('DEL', record_of(id), tries_of(id), begun_of(id))
    redis.call('ZREM', KEYS[1], id)
  end
end
return redis.call('PUBLISH', KEYS[2], ARGV[4])
"""
)

GIVE_BACK: Final = (
    NOW
    + NAMES
    + RING
    + _RANK
    + """
-- KEYS queue, bell. ARGV id, token, marks kept ms. A job given back killed nobody: its count goes
-- down again. But it was begun.
local id = ARGV[1]
if redis.call('GET', holder_of(id)) ~= ARGV[2] then return 0 end
redis.call('DEL', holder_of(id))
redis.call('DECR', tries_of(id))
redis.call('SET', begun_of(id), '1', 'PX', ARGV[3])
local leased = redis.call('ZSCORE', KEYS[1], id)
if leased then redis.call('ZADD', KEYS[1], score_of(is_live(leased)), id) end
ring(KEYS[2])
return 1
"""
)

RING_BELLS: Final = (
    RING
    + """
-- KEYS bells.
for _, bell in ipairs(KEYS) do ring(bell) end
return 1
"""
)

DISCARD: Final = (
    NAMES
    + _BURIAL
    + """
-- KEYS queue. ARGV id, token, tries. What nobody can read goes to the dead letters.
local id = ARGV[1]
if redis.call('GET', holder_of(id)) ~= ARGV[2] then return 0 end
bury(id, '', 'unreadable', ARGV[3], ARGV[2], KEYS[1])
redis.call('DEL', holder_of(id), tries_of(id), begun_of(id))
redis.call('ZREM', KEYS[1], id)
return 1
"""
)

RELEASE: Final = (
    NOW
    + NAMES
    + RING
    + _RANK
    + f"""
-- KEYS queue, bell, queue, bell, ... ARGV token of a worker that is dead for certain, the name of
-- who is about to start in its place, or '', and ms until it must have done so.
-- How many of its jobs are free for others now; each keeps its count of tries.
for _, name in ipairs(redis.call('ZRANGE', '{ALIVE_KEY}', 0, -1)) do
  if string.match(name, '|(.*)$') == ARGV[1] then redis.call('ZREM', '{ALIVE_KEY}', name) end
end
if ARGV[2] ~= '' then redis.call('ZADD', '{ALIVE_KEY}', now + ARGV[3], ARGV[2]) end
local freed = 0
for n = 1, #KEYS, 2 do
  local queue, bell = KEYS[n], KEYS[n + 1]
  local leased = redis.call('ZRANGE', queue, now, '+inf', 'BYSCORE', 'WITHSCORES')
  for m = 1, #leased, 2 do
    local id = leased[m]
    if redis.call('GET', holder_of(id)) == ARGV[1] then
      redis.call('DEL', holder_of(id))
      redis.call('ZADD', queue, 'XX', score_of(is_live(leased[m + 1])), id)
      ring(bell)
      freed = freed + 1
    end
  end
  ring(bell)  -- it may have died with a token in its hand
end
return freed
"""
)

CANCEL: Final = (
    NAMES
    + """
-- KEYS queue. ARGV id. 1 when the job never began and never will, 0 when it did or is not there.
-- One whose worker died has begun; it is taken off as well, so that no other does it in vain.
local id = ARGV[1]
if redis.call('EXISTS', result_of(id), holder_of(id)) > 0 then return 0 end
local begun = tonumber(redis.call('GET', tries_of(id)) or '0') > 0
redis.call('DEL', record_of(id), tries_of(id), begun_of(id))
local there = redis.call('ZREM', KEYS[1], id)
if begun then return 0 end
return there
"""
)

LOOK: Final = (
    NAMES
    + """
-- ARGV ids. For each 'done' (a result) | 'refused' (why) | 'there' | 'lost'
local seen = {}
for n, id in ipairs(ARGV) do
  local kept = redis.call('MGET', result_of(id), refusal_of(id))
  if kept[1] then seen[n] = {'done', kept[1]}
  elseif kept[2] then seen[n] = {'refused', kept[2]}
  elseif redis.call('EXISTS', record_of(id)) == 1 then seen[n] = {'there', ''}
  else seen[n] = {'lost', ''} end
end
return seen
"""
)
