--! flags allow-oom
--! use clock, schedule
-- What the process that does a run has to say of it: the batch that it feeds, as soon as there is one; how it went.
--
-- KEYS[1] anchor
-- ARGV: schedule, tick, what is noted as JSON: {feeds, checkpoint, noted, delivered: {place, state}}
-- Returns the run as JSON after it, '' where the history does not hold it.
local id, tick, told = ARGV[1], tonumber(ARGV[2]), cjson.decode(ARGV[3])
local run = run_of(id, tick)
if not run then return '' end
if told.feeds then run.feeds = told.feeds end
if told.checkpoint then run.checkpoint = told.checkpoint end
if told.noted then run.noted = told.noted end
if told.delivered then
  run.delivered = run.delivered or {}
  run.delivered[told.delivered.place] = told.delivered.state
end
local text = cjson.encode(run)
redis.call('HSET', K.schedule_history(id), int(tick), text)
return text
