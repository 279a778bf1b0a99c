--! use clock
-- One worker looks after schedules while it lives: the others need not ask for the same. Nothing rests on it, since
-- what a tick's script does it does once whoever calls it.
-- Gives: others_look(worker, hold_ms), ms for which another one does, 0 where this one does from now on.
local function others_look(worker, hold_ms)
  local held_by = redis.call('GET', K.schedule_look())
  if held_by and held_by ~= worker then
    return math.max(1, math.min(hold_ms, redis.call('PTTL', K.schedule_look())))
  end
  redis.call('SET', K.schedule_look(), worker, 'PX', hold_ms)
  return 0
end
