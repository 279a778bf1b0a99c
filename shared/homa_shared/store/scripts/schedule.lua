--! flags allow-oom
--! use clock, record, backlog, ending, schedule, schedule_alarm, schedule_queue
-- The life of a schedule (put_schedule.lua): paused, resumed, deleted. Runs that go on do so all the same.
--
-- KEYS[1] anchor
-- ARGV: order, schedule, then
--   pause   why
--   halt    why: it pauses by itself, with an alarm
--   resume  next tick, when its work is due ('' where there is none any more)
--   delete  1 where its name is not kept for its cap
-- Returns the state that it had: active, paused, done; '' when there is no such schedule. Repeating an order changes nothing.
local order, id = ARGV[1], ARGV[2]
local s = load_schedule(id)
if not s then return '' end
local key = K.schedule(id)

if order == 'pause' and s.state == 'active' then
  redis.call('HSET', key, 'state', 'paused', 'paused_why', ARGV[3])
  redis.call('ZREM', K.schedules(), id)
  tell(s, 'paused', ARGV[3] ~= '' and ARGV[3] or nil)
elseif order == 'halt' then
  if s.state == 'active' then halt(id, s, tonumber(s.next or nil), ARGV[3]) end
elseif order == 'resume' then
  redis.call('HDEL', key, 'alarm', 'paused_why')
  redis.call('HSET', key, 'failures', 0)
  if s.state == 'paused' then
    redis.call('HSET', key, 'state', 'active')
    reschedule(id, s, s.before or s.created, ARGV[3], ARGV[4])
    -- What came while it was paused has had no run.
    redis.call('HDEL', key, 'before')
    tell(s, 'resumed')
    -- What waited for the run before it when it was paused.
    if redis.call('EXISTS', K.schedule_queue(id)) == 1 then queue_soon(id, now) end
  end
elseif order == 'delete' then
  redis.call('ZREM', K.schedules(), id)
  redis.call('HDEL', K.schedule_names(), s.name)
  redis.call('ZREM', K.schedule_watch(), id .. ':0 queue')
  for _, tick in ipairs(redis.call('HKEYS', K.schedule_history(id))) do
    local run = run_of(id, tonumber(tick))
    if run and run.job then redis.call('ZREM', K.schedule_watch(), id .. ':' .. tick .. ' ' .. run.job) end
  end
  for gen in pairs(cjson.decode(redis.call('HGET', key, 'eras') or '{}')) do redis.call('DEL', K.schedule_spans(era(id, gen))) end
  redis.call('DEL', K.schedule_runs(id), K.schedule_history(id), K.schedule_spans(id), K.schedule_queue(id), K.schedule_definitions(id),
    K.schedule_deliveries(id), K.schedule_delivered(id))
  -- Its cap holds for what goes on.
  local cap = redis.call('HMGET', key, 'cap', 'period')
  redis.call('DEL', key)
  if ARGV[3] ~= '1' then redis.call('HSET', key, 'name', s.name) end
  if cap[1] then redis.call('HSET', key, 'cap', cap[1], 'period', cap[2]) end
  if redis.call('EXISTS', key) == 1 then redis.call('HSET', key, 'state', 'deleted') end
  redis.call('PEXPIRE', key, C.BUDGETS_KEPT_MS)
  tell(s, 'deleted')
end
return s.state
