--! use clock, record, backlog, room, schedule, schedule_alarm, schedule_delivery
-- Tries failed deliveries of a schedule, or failed webhooks of a tenant, again, for as long as at first.
--
-- KEYS[1] anchor
-- ARGV: schedule, or @ and tenant; tick (ms; '' for those of all ticks), percent of maxmemory (submit.lua), delivery ('' all)
-- Returns {how many are tried again, how many cannot be since what they would send is kept no more}; {-1, 0}: no such schedule.
-- Asked again it finds none of them failed. Cost: O(deliveries that are told of).
local id, tick = ARGV[1], tonumber(ARGV[2])
if string.sub(id, 1, 1) ~= '@' and not load_schedule(id) then return {-1, 0} end
local full = lack_of_room(tonumber(ARGV[3]))
if full then return full end
local again, gone = 0, 0
for _, name in ipairs(redis.call('ZRANGE', K.schedule_delivered(id), 0, -1)) do
  local told = cjson.decode(redis.call('HGET', K.schedule_deliveries(id), name) or '{}')
  if told.state == 'failed' and (not tick or told.tick == tick) and (ARGV[4] == '' or ARGV[4] == name) then
    local text = redis.call('GET', K.request(told.job))
    if text then
      local round = (told.round or 0) + 1
      -- A job of its own, so that none ends twice; what it sends has the name of before, by which receivers know it.
      local job = name .. '.' .. int(round)
      local about = cjson.decode(text).kwargs
      send(job, text, about.job or about.of, about.about and about.tenant)
      note_delivery(id, name, {state = 'waiting', tries = 0, round = round, job = job})
      again = again + 1
    else
      gone = gone + 1
    end
  end
end
return {again, gone}
