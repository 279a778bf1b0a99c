--! use clock, record, backlog, ending, room, accept, sealed
-- Promotes lines of a batch's file: they become jobs, and the cursor moves behind them, all or nothing. It refuses unless the
-- cursor stands where they begin, so that a line becomes a job once, whoever promotes and whatever is sent twice. A line that
-- cannot be sent becomes a job that has failed. Behind the last line the batch is sealed.
--
-- KEYS[1] anchor
-- ARGV: batch, from (cursor), to, offset behind the lines (bytes of the file), percent of maxmemory (submit.lua), number of sets
--       of common fields, that many of them as JSON; then per line: number of its common fields, from 1 (0: it cannot be sent),
--       job, request (of one that cannot be sent: its outcome as JSON), deadline (ms from now; 0 none), due (ms from now; 0
--       now), its own fields as JSON
-- Returns ok; stale (the cursor stands elsewhere); closed (cancelled, expired or ended: nothing is promoted any more).
-- Cost: O(log N) a line.
local id, from, to, offset = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local batch = redis.call('HMGET', K.gateway_batch(id), 'status', 'cursor', 'total', 'expires')
if batch[1] ~= 'in_progress' or now >= tonumber(batch[4]) then return 'closed' end
local engine = redis.call('HMGET', K.batch(id), 'state', 'cancel')
if engine[1] ~= 'open' or engine[2] then return 'closed' end
if batch[2] ~= from then return 'stale' end
local full = lack_of_room(tonumber(ARGV[5]))
if full then return full end

-- A job that has failed before it waited anywhere: there is no target and no queue of that name.
local function fail_at_once(job, outcome, entry)
  local fields = new_record('{}', entry)
  fields.ba, fields.kd, fields.tg, fields.q, fields.ln = id, 'j', 'none', 'none', 'bulk'
  local flat = {}
  for field, value in pairs(fields) do flat[#flat + 1], flat[#flat + 2] = field, value end
  redis.call('HSET', K.job(job), unpack(flat))
  redis.call('HINCRBY', K.counters(), 'submitted', 1)
  redis.call('HINCRBY', K.counters(), 'live', 1)
  end_job(job, load_record(job), 'failed', outcome, 'invalid request')
end

local commons = tonumber(ARGV[6])
for a = 7 + commons, #ARGV, 6 do
  local clear = tonumber(ARGV[a]) > 0 and in_clear(ARGV[a + 2])
  if clear then return clear end
end
for a = 7 + commons, #ARGV, 6 do
  local common, job, request, entry = tonumber(ARGV[a]), ARGV[a + 1], ARGV[a + 2], ARGV[a + 5]
  redis.call('HINCRBY', K.batch(id), 'submitted', 1)
  if common == 0 then
    fail_at_once(job, request, entry)
  else
    local fields, due = new_record(ARGV[6 + common], entry), tonumber(ARGV[a + 4])
    local deadline = tonumber(batch[4])
    if tonumber(ARGV[a + 3]) > 0 then deadline = math.min(deadline, now + tonumber(ARGV[a + 3])) end
    fields.dl = int(deadline)
    accept(job, fields, request, due > 0 and now + due or nil)
  end
end
redis.call('HSET', K.gateway_batch(id), 'cursor', int(to), 'offset', offset)
redis.call('HSET', K.batch(id), 'lines', int(to))
if to >= tonumber(batch[3]) then
  redis.call('HSET', K.batch(id), 'state', 'sealed', 'total', int(to))
  complete_batch(id)
end
return 'ok'
