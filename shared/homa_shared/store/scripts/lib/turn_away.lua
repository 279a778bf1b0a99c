--! use record, backlog, ending, follow, holds, take_call
-- Queued jobs that must not run: cancelled, by themselves or with their batch; expired; damaged; of a paused batch.
-- Gives: obstacle(r); turned_away(id, r), true when the job is out of its backlog; leave_lead(id, r), for a job that ends before it runs.

-- The cancel of a batch is one flag that its lines meet here; a paused batch's lines step aside.
local batches = {}
local function batch_flags(id)
  local flags = batches[id]
  if not flags then
    flags = redis.call('HMGET', K.batch(id), 'cancel', 'paused')
    batches[id] = flags
  end
  return flags
end

-- Finding the follower that goes on instead costs as much as ten jobs that lead nobody.
local function leave_lead(id, r)
  after_failure(id, r)
  if r.ck then answer.skips = answer.skips + 9 end
end

-- Why a queued job must not run: 'cancelled', 'expired', 'damaged' or 'paused'; nil where it may.
local function obstacle(r)
  local flags = r.ba and batch_flags(r.ba) or {}
  if r.cx or flags[1] then return 'cancelled' end
  if r.dl and r.dl <= now then return 'expired' end
  if r.damage then return 'damaged' end
  if flags[2] then return 'paused' end
  return nil
end

local function turned_away(id, r)
  local why = obstacle(r)
  if not why then return false end
  local waited = why == 'expired' and why_it_waited(r)
  dequeue(id, r)
  if why == 'cancelled' then
    end_job(id, r, why, nil, 'cancelled before it ran')
  elseif why == 'expired' then
    end_job(id, r, why, nil, 'its deadline passed while it waited ' .. waited)
  elseif why == 'damaged' then
    end_job(id, r, 'failed', nil, 'damaged: its record has no number in ' .. r.damage)
  else
    set_aside(id, r, 'batch:' .. r.ba)
  end
  -- Nobody who follows one whose batch is paused waits for that batch.
  leave_lead(id, r)
  return true
end
