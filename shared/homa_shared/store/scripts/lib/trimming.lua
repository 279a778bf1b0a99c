--! use clock, ending, budget, unused, turns
-- What is old is trimmed each minute: what the settings' retention has ended, and what nobody uses any more.
-- Gives: trim_old(slice, beat), by values of the fleet's beat that sweep.lua has read; whether more is to be trimmed.

-- Whether there is no more to trim; most of each that goes in one call.
local all_trimmed, trim_slice

-- Settings may ask for more patience than when a record ended: it must still be there when that has passed. Some at a time.
local function keep_open_records()
  local kept = record_kept(true)
  for _, name in ipairs(redis.call('ZRANDMEMBER', K.unresolved(), trim_slice)) do
    local id = string.match(name, '^(.*):%d+$')
    redis.call('PEXPIRE', K.job(id), kept, 'GT')
    redis.call('PEXPIRE', K.attempts(id), kept, 'GT')
  end
end

-- Of one moment there may be a million: a slice a call, until there is nothing more to trim.
local function trim(key, before)
  local gone = redis.call('ZRANGEBYSCORE', key, '-inf', before, 'LIMIT', 0, trim_slice)
  if #gone > 0 then redis.call('ZREM', key, unpack(gone)) end
  if #gone >= trim_slice then all_trimmed = false end
end

-- Conversations whose retention has ended, by the settings of today: their keys go by themselves, this is their index.
local function trim_conversations()
  local before, stay = int(now - conversations_kept()), 0
  local old = redis.call('ZRANGEBYSCORE', K.conversations(), '-inf', before, 'LIMIT', 0, trim_slice)
  for _, id in ipairs(old) do
    if redis.call('EXISTS', K.conversation(id)) == 0 then
      redis.call('ZREM', K.conversations(), id)
    elseif redis.call('HEXISTS', K.conversation(id), 'pending') == 0 then
      redis.call('PEXPIRE', K.conversation(id), 1)
      redis.call('PEXPIRE', K.turns(id), 1)
      redis.call('ZREM', K.conversations(), id)
    else
      stay = stay + 1
    end
  end
  if #old >= trim_slice and stay < trim_slice then all_trimmed = false end
end

-- How often what is old is trimmed.
local TRIM_EACH_MS = 60000

local function trim_old(slice, beat)
  if math.abs(now - (beat[4] or 0)) <= TRIM_EACH_MS then return false end
  all_trimmed, trim_slice = true, slice
  -- Most ledger lines that go in one call; whole nodes of the stream go, so that it may be a few fewer.
  local LINES, NEARLY = 10000, 9000
  local results, ledger = retention('results'), kept_setting('keep.ledger') or C.LEDGER_KEPT_MS
  keep_open_records()
  trim(K.ended(), now - results)
  for _, name in ipairs(redis.call('SRANDMEMBER', K.budgets(), 100)) do
    if redis.call('EXISTS', K.budget(name)) == 0 then
      redis.call('SREM', K.budgets(), name)
    elseif not cap_of(name) then
      -- Of a budget that the settings have no more; those of a total one are kept until then.
      redis.call('PEXPIRE', K.budget(name), C.BUDGETS_KEPT_MS, 'NX')
    end
  end
  -- Jobs that succeeded are found by their lines: none goes before their results do.
  local oldest = int(math.max(0, now - math.max(ledger, results)))
  if redis.call('XTRIM', K.ledger(), 'MINID', '~', oldest, 'LIMIT', LINES) >= NEARLY then all_trimmed = false end
  sweep_unused(ledger)
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', K.workers(), '-inf', now - C.WORKER_KEPT_MS, 'LIMIT', 0, trim_slice)) do
    redis.call('ZREM', K.workers(), worker)
  end
  -- Those that never completed stay: the next look goes on behind them.
  local from, stay = beat[6] or 0, 0
  local old = redis.call('ZRANGEBYSCORE', K.batches(), '-inf', now - results, 'LIMIT', from, trim_slice)
  for _, batch in ipairs(old) do
    if redis.call('EXISTS', K.batch(batch)) == 1 then
      stay = stay + 1
    else
      redis.call('ZREM', K.batches(), batch)
      -- Requests of its jobs may be kept for longer than their results.
      redis.call('PEXPIRE', K.batch_beginnings(batch), retention('requests'))
    end
  end
  redis.call('HSET', K.beat(), 'batches', #old < trim_slice and 0 or from + stay)
  trim_conversations()
  if all_trimmed then redis.call('HSET', K.beat(), 'trimmed', now) end
  return not all_trimmed
end
