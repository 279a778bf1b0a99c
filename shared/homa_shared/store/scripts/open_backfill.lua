--! use clock, record, backlog, schedule
-- Opens a backfill: runs for ticks of a range that had none, under a budget of its own. Its batch, of the same id, is opened with it;
-- looks at schedules move it on (backfill.lua).
--
-- KEYS[1] anchor
-- ARGV: backfill, schedule, since and until (ms), cap (nano-dollars or ''), most runs at once
-- Returns open; '' when there is no such schedule. Opening it again changes nothing.
local id, schedule = ARGV[1], ARGV[2]
local s = load_schedule(schedule)
if not s then return '' end
if redis.call('EXISTS', K.backfill(id)) == 1 then return 'open' end
redis.call('HSET', K.backfill(id), 'schedule', schedule, 'since', ARGV[3], 'until', ARGV[4], 'cursor', ARGV[3], 'window', ARGV[6],
  'state', 'running', 'live', 0)
redis.call('ZADD', K.backfills(), now, id)
local fields = {'state', 'open', 'created', now, 'submitted', 0, 'name', 'backfill of ' .. s.name, 'cap', ARGV[5]}
if s.tenant then fields[#fields + 1], fields[#fields + 2] = 'tenant', s.tenant end
redis.call('HSET', K.batch(id), unpack(fields))
redis.call('ZADD', K.batches(), now, id)
tell(s, 'backfilled', 'from ' .. ARGV[3] .. ' to ' .. ARGV[4])
return 'open'
