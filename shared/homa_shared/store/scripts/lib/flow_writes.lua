--! use clock, record, backlog, flow_run
-- What scripts write for runs of flows, gathered: nodes that one script makes are alike, and count in the same places. Whoever
-- reads any of this, or ends, writes it first (Flow.write).
-- Gives: of Flow, write_job(f, t, job, own, request); count_of(f, step, what); arrivals(f, field); write(f); write_all().

-- Most words of one command: a script can hand over some thousand.
Flow.most_words = 2000

function Flow.count_of(f, step, what)
  local field = step .. '|' .. what
  f.counts[field] = (f.counts[field] or 0) + 1
end

-- How many have come to what waits for several, this one included.
function Flow.arrivals(f, field)
  local n = (f.arrived[field] or tonumber(redis.call('HGET', K.flow_nodes(f.run), field) or 0)) + 1
  f.arrived[field] = n
  return n
end

-- Writes a job's record; `own` are the fields, always the same ones, in which the jobs of a step differ. A copy of a record is
-- less work than one that is written field by field.
function Flow.write_job(f, t, job, own, request)
  if t.like then
    redis.call('COPY', K.job(t.like), K.job(job))
  else
    local shared = {'st', 'queued', 'at', 0, 'tr', 0, 'sb', int(now)}
    for field, value in pairs(t.record) do shared[#shared + 1], shared[#shared + 2] = field, value end
    redis.call('HSET', K.job(job), unpack(shared))
    t.like = job
  end
  redis.call('HSET', K.job(job), unpack(own))
  local r = t.record
  local backlog = K.backlog(r.q, r.ln, r.tg, r.tn or '')
  local group = f.groups[backlog]
  if not group then
    group = {r = r, places = {}, requests = {}}
    f.groups[backlog] = group
  end
  -- own[6] is its place.
  group.places[#group.places + 1], group.places[#group.places + 2] = own[6], job
  group.requests[#group.requests + 1], group.requests[#group.requests + 2] = K.request(job), request
  if #group.places >= Flow.most_words then
    f.groups[backlog] = nil
    Flow.write_group(f, backlog, group)
  end
end

function Flow.write_group(f, backlog, group)
  local r, n = group.r, #group.places / 2
  local was_empty = redis.call('EXISTS', backlog) == 0
  redis.call('MSET', unpack(group.requests))
  redis.call('HINCRBY', K.batch(f.run), 'submitted', n)
  if f.sealed then redis.call('HINCRBY', K.batch(f.run), 'total', n) end
  redis.call('HINCRBY', K.counters(), 'submitted', n)
  redis.call('HINCRBY', K.counters(), 'live', n)
  redis.call('SADD', K.queues(), r.q)
  redis.call('ZADD', backlog, unpack(group.places))
  count(r.q, r.ln, 'queued', n)
  if was_empty then join_group(r.q, r.ln, r.tg, r.tn or '') end
  ring(r.q, n)
end

function Flow.write(f)
  local counts, arrived, groups = f.counts, f.arrived, f.groups
  f.counts, f.arrived, f.groups = {}, {}, {}
  -- From here on jobs may change in this very script, as where take ends one by a reply that is kept.
  for _, t in pairs(f.made) do t.like = nil end
  for backlog, group in pairs(groups) do Flow.write_group(f, backlog, group) end
  for field, n in pairs(counts) do redis.call('HINCRBY', K.flow(f.run), field, n) end
  local fields = {}
  for field, n in pairs(arrived) do
    fields[#fields + 1], fields[#fields + 2] = field, int(n)
    if #fields >= Flow.most_words then
      redis.call('HSET', K.flow_nodes(f.run), unpack(fields))
      fields = {}
    end
  end
  if #fields > 0 then redis.call('HSET', K.flow_nodes(f.run), unpack(fields)) end
end
