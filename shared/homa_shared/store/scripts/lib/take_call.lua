--! use clock, record, whole_request, flow_parents
-- One call of take: what was asked, and its answer as it grows.
-- Needs: take's ARGV.
-- Gives: asked, answer, sooner(ms), entry(id, r, target), hand_out(id, r), fill_in_requests().
local asked = {
  worker = ARGV[1], nonce = ARGV[2], slots = tonumber(ARGV[3]), lease_ms = tonumber(ARGV[4]), provider = ARGV[5],
  -- Suspects that the worker runs already, and those that this call gives it.
  suspects = tonumber(ARGV[6]),
  -- Of the settings that the worker knows; 0 where it knows none, as workers of actors alone do.
  settings = tonumber(ARGV[7]),
  has_keys = ARGV[8] == '1',
  queues = {},
  -- When it last looked for jobs to divert and found none, ms; nil where that is not known.
  looked = nil,
}

for i = 9, #ARGV do asked.queues[i - 8] = ARGV[i] end

-- requests: keys of the jobs' requests. soonest: ms until something may run, nil while nothing waits. skips: jobs that were put
-- out of the way. nodes: those of the jobs that do a step of a flow, {job as it is handed out, run}.
local answer = {jobs = {}, requests = {}, nodes = {}, diverts = {}, unplanned = {}, soonest = nil, skips = 0}

local function sooner(ms) if not answer.soonest or ms < answer.soonest then answer.soonest = ms end end

-- A job as a worker gets it, but for its request. One text for all fields: thirty replies a job cost a client in Python more
-- than all else that it does with the store.
local function packed(id, r, target)
  -- Spans instead of times, so that no clock but the store's matters.
  r.left, r.waited = r.dl and math.max(1, r.dl - now), now - (r.sb or now)
  local fields = {id, target}
  for i, field in ipairs(FIELDS.taken) do
    local value = r[field]
    -- JSON has 14 digits of a number.
    if type(value) == 'number' and value >= 1e14 then value = int(value) end
    fields[i + 2] = value or ''
  end
  return cjson.encode(fields)
end

local function entry(id, r, target)
  return {whole_request(redis.call('GET', K.request(id)) or '', r.ba), packed(id, r, target)}
end

local function hand_out(id, r)
  -- The batch stands in the request's place until that is read.
  local job = {r.ba or false, packed(id, r, r.tt or r.tg)}
  answer.jobs[#answer.jobs + 1] = job
  answer.requests[#answer.jobs] = K.request(id)
  if r.nd then answer.nodes[#answer.nodes + 1] = {job, r.ba} end
end

local function fill_in_requests()
  if #answer.jobs == 0 then return end
  for i, request in ipairs(redis.call('MGET', unpack(answer.requests))) do
    answer.jobs[i][1] = whole_request(request or '', answer.jobs[i][1])
  end
  fill_in_parents(answer.nodes)
end
