--! use clock, record, backlog, ending, room, schedule
-- Runs a schedule's work now, beside its ticks: the tick of that run is the present moment.
--
-- KEYS[1] anchor
-- ARGV: schedule, tick (ms; about now), at (for people), values (JSON), percent of maxmemory (submit.lua), generation of the
--       definition that values were made for
-- Returns the run's job; '' when there is no such schedule, `changed` when its definition is another one by now. The same tick gets the same job.
local id, tick = ARGV[1], tonumber(ARGV[2])
local s = load_schedule(id)
if not s then return '' end
local known = run_of(id, tick)
if known then return known.job or '' end
if s.gen ~= ARGV[6] then return 'changed' end
local full = lack_of_room(tonumber(ARGV[5]))
if full then return full end
local run = {at = ARGV[3], due = tick, since = tonumber(s.last or s.created), by = 'hand', values = cjson.decode(ARGV[4])}
start_run(id, s, tick, run)
put_run(id, tick, run)
redis.call('HINCRBY', K.schedule(id), 'n.fired', 1)
return run.job
