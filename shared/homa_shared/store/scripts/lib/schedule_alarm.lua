--! use clock, schedule
-- Alarms of schedules: the latest stands in the schedule until a run on time succeeds, or a person resumes it.
-- Gives: alarm(id, s, tick, kind, detail), alarms, those of this call for the worker's log; pause(id, s, why);
-- halt(id, s, tick, why), for a schedule with which nothing can be done until a person has looked at it.
local alarms = {}

local function alarm(id, s, tick, kind, detail)
  redis.call('HSET', K.schedule(id), 'alarm', cjson.encode({kind = kind, tick = tick, at = now, detail = detail}))
  tell(s, 'alarmed', kind .. ': ' .. detail)
  alarms[#alarms + 1] = {s.name, kind, detail}
end

local function pause(id, s, why)
  s.state = 'paused'
  redis.call('HSET', K.schedule(id), 'state', 'paused', 'paused_why', why)
  redis.call('ZREM', K.schedules(), id)
  tell(s, 'paused', why)
end

local function halt(id, s, tick, why)
  why = beginning(why, 300)
  alarm(id, s, tick, 'broken', why)
  if s.state == 'active' then pause(id, s, 'it cannot go on: ' .. why) end
end

-- What an error that was caught says.
local function words_of_error(caught) return type(caught) == 'table' and tostring(caught.err) or tostring(caught) end
