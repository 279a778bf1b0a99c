--! use clock, record, ending, batch_cancel, schedule
-- Runs that are batches: given up where they cannot be filled, and how they ended.
-- Gives: give_up_batch(run, kind, message), for a run whose message has ended; end_of_batch(s, run), how its batch ended as
-- {state, kind, detail}, nil where it goes on.

-- What a job failed of: kind and message.
local function failure_of(job)
  local known, told = pcall(cjson.decode, redis.call('GET', K.reply(job)) or '')
  local error = known and type(told) == 'table' and type(told.error) == 'table' and told.error or {}
  return tostring(error.kind or ''), tostring(error.message or '')
end

-- A batch that nobody fills any more takes no further line; half of it is not to be paid for.
local function give_up_batch(run)
  local state = redis.call('HGET', K.job(run.job), 'st')
  local batch = redis.call('HMGET', K.batch(run.fills), 'state', 'cancel')
  if not ENDED[state] or state == 'succeeded' or batch[1] ~= 'open' or batch[2] then return end
  if state == 'failed' then
    local kind, message = failure_of(run.job)
    redis.call('HSET', K.batch(run.fills), 'unfilled', kind == 'fill' and message or kind .. ': ' .. message)
  end
  cancel_batch(run.fills, batch[1])
end

-- Kind and words of the first failure among the lines that ended first.
local function first_failure(batch)
  for _, job in ipairs(redis.call('LRANGE', K.batch_done(batch), 0, C.LINES_LOOKED_AT - 1)) do
    local state = redis.call('HGET', K.job(job), 'st')
    if state == 'failed' or state == 'expired' then return failure_of(job) end
  end
  return '', ''
end

-- Whether so many lines have failed as the schedule's `--max-failures` does not allow; unless it says: none has succeeded.
local function too_many(s, failed, total)
  local most = s.failures_most
  if not most then return failed >= total end
  local percent = string.match(most, '^(.*)%%$')
  if percent then return failed > total * tonumber(percent) / 100 end
  return failed >= tonumber(most)
end

local function end_of_batch(s, run)
  local v = redis.call('HMGET', K.batch(run.fills), 'state', 'succeeded', 'failed', 'expired', 'total', 'unsent', 'unsent_why',
    'cancel', 'unfilled', 't.nano', 't.unres')
  if not v[1] then return 'forgotten', '', 'its batch was gone before anybody looked' end
  if v[1] ~= 'complete' then return nil end
  local failed, unsent = tonumber(v[3] or 0) + tonumber(v[4] or 0), tonumber(v[6] or 0)
  local total = tonumber(v[5] or 0)
  run.cost, run.unresolved = tonumber(v[10] or 0), tonumber(v[11] or 0)
  run.lines, run.lines_failed, run.unsent = total, failed, unsent
  if v[9] then return 'failed', '', v[9] end
  if v[8] then return 'cancelled', '', '' end
  if failed + unsent == 0 then return 'succeeded', '', nil end
  local kind, message = '', v[7] or ''
  if failed > 0 then kind, message = first_failure(run.fills) end
  local words = {}
  if failed > 0 then words[1] = int(failed) .. ' of ' .. int(total) .. ' lines failed' end
  if unsent > 0 then words[#words + 1] = int(unsent) .. ' inputs could not be sent' end
  local detail = table.concat(words, ', ') .. (message ~= '' and ': ' .. message or '')
  return too_many(s, failed + unsent, total + unsent) and 'failed' or 'succeeded', kind, detail
end
