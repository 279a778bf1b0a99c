--! use clock, record, backlog
-- Gives: accept(job, fields, request, due_ms), which puts a job's record and request in the store and the job where it waits;
-- new_record(common, entry), what a record begins with.

-- Fields by their short names, all of them texts, from the JSON of what jobs share and of what is the job's own.
local function new_record(common, entry)
  local fields = {st = 'queued', at = '0', tr = '0', sb = int(now), sq = int(redis.call('INCR', K.sequence()))}
  for field, value in pairs(cjson.decode(common)) do
    if value ~= cjson.null then fields[field] = type(value) == 'number' and int(value) or value end
  end
  for field, value in pairs(cjson.decode(entry or '{}')) do fields[field] = value end
  return fields
end

local function accept(job, fields, request, due_ms)
  local flat, r = {}, {}
  for field, value in pairs(fields) do
    flat[#flat + 1], flat[#flat + 2] = field, value
    if NUMBERS[field] then r[field] = number_of(value) else r[field] = value end
  end
  r.tn = r.tn or ''
  redis.call('HSET', K.job(job), unpack(flat))
  redis.call('SET', K.request(job), request)
  redis.call('HINCRBY', K.counters(), 'submitted', 1)
  redis.call('HINCRBY', K.counters(), 'live', 1)
  redis.call('SADD', K.queues(), r.q)
  make_ready(job, r, due_ms)
  ring(r.q, 1)
end
