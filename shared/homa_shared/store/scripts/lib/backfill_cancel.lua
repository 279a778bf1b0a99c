--! use clock, record, backlog, ending, money, budget, schedule, schedule_fire
-- Gives: cancel_batches_of(backfill), which cancels the batches that runs of a backfill are; nothing where its runs are single
-- jobs, which are lines of its own batch.
local function cancel_batches_of(backfill)
  local id = redis.call('HGET', K.backfill(backfill), 'schedule')
  local s = id and load_schedule(id)
  if not s or not s.fills then return end
  -- It is complete when the batches that it has begun are.
  if redis.call('HGET', K.batch(backfill), 'state') == 'open' then
    redis.call('HSET', K.batch(backfill), 'state', 'sealed', 'total', redis.call('HGET', K.backfill(backfill), 'fired') or 0)
  end
  for _, tick in ipairs(redis.call('HKEYS', K.schedule_history(id))) do
    local run = run_of(id, tonumber(tick))
    if run and run.backfill == backfill and goes_on(id, tonumber(tick), run) then cancel_run(id, tonumber(tick), run) end
  end
end
