--! use record, target, take_call, turn_away, choose, grants
-- Jobs whose target is out of reach for longer than their slack are offered to the worker, which knows their next target and
-- moves them there (divert.lua).
-- Gives: offer_diverts(queue, lane, target, wait, why), for a group that is blocked; note_look().

-- Most jobs that one call offers, and most that it looks at for that; of one place in a backlog.
local DIVERTS, LOOKS = 50, 200
local LOOKS_AT_ONCE = 16
local looks = 0
local offered = {}

-- The wait that a job accepts before it goes on.
local function slack_of(r)
  return r.sl or (r.ln == 'bulk' and C.BULK_SLACK_MS or C.SLACK_MS)
end

-- What tells whether a job stays where it is: a few fields, since nearly all stay.
local TELLING = {'fb', 'sl', 'ln', 'cx', 'dl', 'ba'}

local function telling_fields(id)
  local r, values = {}, redis.call('HMGET', K.job(id), unpack(TELLING))
  for i, field in ipairs(TELLING) do
    local value = values[i]
    if value and value ~= '' then
      if NUMBERS[field] then r[field] = number_of(value) else r[field] = value end
    end
  end
  return r
end

-- Whether a job has somewhere to go and the wait is more than its slack.
local function leaves(r, wait, why)
  return r.fb and r.fb > 0 and (string.sub(why or '', 1, 7) == 'breaker' or wait > slack_of(r))
end

-- Offers one job, if it is to leave.
local function offer(id, wait, why, backlog)
  looks = looks + 1
  local told = telling_fields(id)
  if not (obstacle(told) or leaves(told, wait, why)) then return end
  local r = load_record(id)
  if not r or r.st ~= 'queued' then return end
  if turned_away(id, r) then
    forget_head(backlog)
    answer.skips = answer.skips + 1
  else
    answer.diverts[#answer.diverts + 1] = {why, entry(id, r, r.tg)}
  end
end

-- Looks at those at the head of a backlog and, where none of these may go, at some from a place that moves with the clock, so
-- that jobs without a fallback do not hide others. False when no more may be looked at.
local function offer_of(backlog, wait, why)
  local before, card = #answer.diverts, redis.call('ZCARD', backlog)
  for _, start in ipairs({0, moving_place(card)}) do
    if start == 0 or #answer.diverts == before then
      for _, id in ipairs(redis.call('ZRANGE', backlog, start, start + LOOKS_AT_ONCE - 1)) do
        if #answer.diverts >= DIVERTS or looks >= LOOKS then return false end
        offer(id, wait, why, backlog)
      end
    end
    if card <= LOOKS_AT_ONCE then break end
  end
  return true
end

-- Each group is asked once a call, and what is looked at here is counted by itself: a blocked target's backlog costs the
-- others nothing.
local function offer_diverts(queue, lane, target, wait, why)
  local group = K.group(queue, lane, target)
  if offered[group] then return end
  offered[group] = true
  write_grants()
  -- At full concurrency a worker asks a hundred times a second. Nor is it told to come back the moment that it may look again:
  -- over so short a pause it does not listen for the doorbells of its queues (process/waiting.py).
  local since = now - (asked.looked or 0)
  if since >= 0 and since < C.LOOK_EACH_MS then return sooner(C.LOOK_EACH_MS) end
  -- What one member of a pool cannot do now, another may: a job leaves a pool only where it would leave each of them.
  local members = members_of(target)
  if members then
    wait, why = pool_blocked(target, members)
    if wait == 0 then return end
  end
  for _, tenant in ipairs(redis.call('ZRANGE', group, 0, 7)) do
    if not offer_of(K.backlog(queue, lane, target, tenant), wait, why) then return end
  end
end

-- Notes a look that found nothing, for the worker's next call.
local function note_look()
  if looks > 0 and #answer.diverts == 0 then redis.call('HSET', K.worker(asked.worker), 'looked', now) end
end
