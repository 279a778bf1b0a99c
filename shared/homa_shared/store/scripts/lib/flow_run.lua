--! use clock, record, batch_flag
-- Runs of flows as scripts hold them, and what becomes of one that cannot go on.
-- Gives: Flow, with load(run); count_of(f, step, what); guarded(run, what, act, …). One table, since a script has few local
-- variables left; flow_nodes.lua adds to it.

local Flow = {
  -- What an envelope has beside the answer, about, in bytes: answers count without it where tokens are estimated.
  envelope = 700,
  -- Replies that are shorter may only name the job whose reply they are.
  short = 200,
  -- Names of filters that may stand in front of a reply, bytes.
  most_drops = 2500,
  runs = {},
}

-- A run as scripts need it, nil where the store holds none.
function Flow.load(run)
  local f = Flow.runs[run]
  if f then return f end
  local graph = redis.call('HGET', K.flow(run), 'graph')
  local batch = redis.call('HMGET', K.batch(run), 'state', 'cancel')
  if not graph or not batch[1] then return nil end
  f = {run = run, steps = cjson.decode(graph), sealed = batch[1] ~= 'open', cancelled = batch[2], made = {}, place = nil}
  Flow.runs[run] = f
  return f
end

function Flow.count_of(f, step, what) redis.call('HINCRBY', K.flow(f.run), step .. '|' .. what, 1) end

-- Ends a run whose nodes cannot be made, and says why: it would wait for them for ever.
function Flow.halt(run, what, fault)
  local why = what .. ': ' .. beginning(type(fault) == 'table' and fault.err or tostring(fault), 300)
  local state = redis.call('HGET', K.batch(run), 'state')
  if not state or state == 'complete' then return end
  flag_cancelled(run, state, why)
  if Flow.runs[run] then Flow.runs[run].cancelled = now end
end

-- Whether an act on a run came to its end. What is odd about one run holds up nothing else: not the end of the job that it
-- belongs to, nor those that a script ends beside it.
function Flow.guarded(run, what, act, ...)
  local known, fault = pcall(act, ...)
  if not known then Flow.halt(run, what, fault) end
  return known
end
