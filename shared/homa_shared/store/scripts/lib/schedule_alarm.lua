--! use clock, schedule
-- Alarms of schedules: the latest stands in the schedule until a run on time succeeds, or a person resumes it.
-- Gives: alarm(id, s, tick, kind, detail), alarms, those of this call for the worker's log.
local alarms = {}

local function alarm(id, s, tick, kind, detail)
  redis.call('HSET', K.schedule(id), 'alarm', cjson.encode({kind = kind, tick = tick, at = now, detail = detail}))
  redis.call('HINCRBY', K.schedule(id), 'n.alarms', 1)
  tell(s, 'alarmed', kind .. ': ' .. detail)
  alarms[#alarms + 1] = {s.name, kind, detail}
end

local function pause(id, s, why)
  redis.call('HSET', K.schedule(id), 'state', 'paused', 'paused_why', why)
  redis.call('ZREM', K.schedules(), id)
  tell(s, 'paused', why)
end
