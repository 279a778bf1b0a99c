--! use clock, record, waits
-- Where a job waits. Its group is (queue, lane, target, tenant); the sequence number is its place there for good (of
-- Dramatiq messages, which alone have priorities, behind all places of the priorities before its own), so that
-- a job that comes back (recovery, backoff, a budget that turned) stands at the head of its own group again.

local function place_of(sequence, priority) return sequence + priority * C.PLACES_PER_PRIORITY end

local function count(queue, lane, state, by)
  redis.call('HINCRBY', K.queue(queue), lane .. '.' .. state, by)
end

-- Wakes up to n sleeping workers. Tokens stay on the list, so a worker that is about to sleep cannot miss them.
local function ring(queue, n)
  local bell = K.bell(queue)
  local lack = math.min(n, C.BELL_RINGS) - redis.call('LLEN', bell)
  for _ = 1, lack do redis.call('RPUSH', bell, '1') end
  if lack > 0 then redis.call('PEXPIRE', bell, C.BELL_KEPT_MS) end
end

-- A tenant that comes back starts at the present virtual time: it neither owes nor is owed for its absence.
local function join_group(queue, lane, target, tenant)
  local group = K.group(queue, lane, target)
  local first = redis.call('ZRANGE', group, 0, 0, 'WITHSCORES')
  redis.call('ZADD', group, 'NX', first[2] or 0, tenant)
  redis.call('ZADD', K.lane(queue, lane), 'NX', 0, target)
end

-- A tenant whose backlog is empty waits no more; nor does a target without tenants.
local function leave_group(queue, lane, target, tenant)
  local group = K.group(queue, lane, target)
  redis.call('ZREM', group, tenant)
  if redis.call('EXISTS', group) == 0 then redis.call('ZREM', K.lane(queue, lane), target) end
end

local function enqueue(id, r)
  local backlog = K.backlog(r.q, r.ln, r.tg, r.tn)
  if redis.call('ZADD', backlog, r.sq, id) == 1 then
    count(r.q, r.ln, 'queued', 1)
    if redis.call('ZCARD', backlog) == 1 then join_group(r.q, r.ln, r.tg, r.tn) end
  end
end

-- `r` is a job of that backlog.
local function leave_empty(backlog, r)
  if redis.call('EXISTS', backlog) == 0 then leave_group(r.q, r.ln, r.tg, r.tn) end
end

local function dequeue(id, r)
  local backlog = K.backlog(r.q, r.ln, r.tg, r.tn)
  if redis.call('ZREM', backlog, id) == 1 then
    count(r.q, r.ln, 'queued', -1)
    leave_empty(backlog, r)
  end
end

-- Queues a job at its own place, or makes it due later where due_ms lies ahead.
local function make_ready(id, r, due_ms)
  -- While it ran its worker kept its deadline; a job that waits is in the index of deadlines.
  if r.dl then redis.call('ZADD', K.deadlines(), r.dl, id) end
  if due_ms and due_ms > now then
    redis.call('ZADD', K.due(), due_ms, id)
    redis.call('HSET', K.job(id), 'st', 'due', 'due', due_ms)
    count(r.q, r.ln, 'due', 1)
  else
    local has_run = r.kd ~= 'm' and (r.sb or now) < now
    redis.call('HSET', K.job(id), 'st', 'queued', unpack(has_run and {'rd', now} or {}))
    enqueue(id, r)
  end
end

-- Sets a job aside for a reason that must pass first: a paused batch, a budget, a leader.
local function set_aside(id, r, reason)
  redis.call('ZADD', K.waiting(reason), r.sq, id)
  redis.call('ZADD', K.reasons(), 'NX', now, reason)
  redis.call('HSET', K.job(id), 'st', 'waiting', 'why', reason, 'rd', now)
  count(r.q, r.ln, 'waiting', 1)
end

-- `goes_on`: how long it has waited is written down.
local function leave_waiting(id, r, goes_on)
  local waiting = K.waiting(r.why)
  if redis.call('ZREM', waiting, id) == 1 then
    count(r.q, r.ln, 'waiting', -1)
    if redis.call('EXISTS', waiting) == 0 then redis.call('ZREM', K.reasons(), r.why) end
  end
  redis.call('HDEL', K.job(id), 'why')
  local ms = now - (r.rd or now)
  if not goes_on or ms < C.WAIT_TOLD_MS then return end
  r.hb = Waits.add(r.hb, ms, (string.gsub(r.why, ':', ' ', 1)))
  redis.call('HSET', K.job(id), 'hb', r.hb)
end

-- Jobs of a reason back to their groups, since it has passed for them; returns how many.
local function release_jobs(reason, ids)
  for _, id in ipairs(ids) do
    local r = load_record(id)
    if r and r.st == 'waiting' then
      leave_waiting(id, r, true)
      make_ready(id, r)
      ring(r.q, 1)
    else
      redis.call('ZREM', K.waiting(reason), id)
    end
  end
  return #ids
end

-- Up to n of them, the first in their order.
local function release(reason, n) return release_jobs(reason, redis.call('ZRANGE', K.waiting(reason), 0, n - 1)) end

-- Takes a live job that does not run out of the one index that holds it.
local function withdraw(id, r)
  if r.st == 'queued' then
    dequeue(id, r)
  elseif r.st == 'due' then
    if redis.call('ZREM', K.due(), id) == 1 then count(r.q, r.ln, 'due', -1) end
    redis.call('HDEL', K.job(id), 'due')
  elseif r.st == 'waiting' then
    leave_waiting(id, r)
  end
end
