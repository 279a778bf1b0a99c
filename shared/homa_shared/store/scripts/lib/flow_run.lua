--! use clock, record, batch_flag
-- Runs of flows as scripts hold them, and what becomes of one that cannot go on.
-- Gives: Flow, with load(run); guarded(run, what, act, …); write_all(). One table, since a script has few local variables left;
-- flow_writes.lua and flow_nodes.lua add to it.

local Flow = {
  -- What an envelope has beside the answer, about, in bytes: answers count without it where tokens are estimated.
  envelope = 700,
  -- Replies that are shorter may only name the job whose reply they are.
  short = 200,
  -- Names of filters that may stand in front of a reply, bytes.
  most_drops = 2500,
  runs = {},
  -- Whether a script that ends several jobs writes what follows once, behind the last of them.
  gathers = false,
}

-- A run as scripts need it, nil where the store holds none.
function Flow.load(run)
  local f = Flow.runs[run]
  if f then return f end
  local graph = redis.call('HGET', K.flow(run), 'graph')
  local batch = redis.call('HMGET', K.batch(run), 'state', 'cancel')
  if not graph or not batch[1] then return nil end
  f = {run = run, steps = cjson.decode(graph), sealed = batch[1] ~= 'open', cancelled = batch[2], made = {}, place = nil}
  -- What is known of scopes; what is not written yet (flow_writes.lua).
  f.ends, f.counts, f.arrived, f.groups = {}, {}, {}, {}
  Flow.runs[run] = f
  return f
end

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
  local f = Flow.runs[run]
  -- Of a run that the store holds no more nothing is to be written.
  if f and not Flow.gathers then
    local written, why = pcall(Flow.write, f)
    if known then known, fault = written, why end
  end
  if not known then Flow.halt(run, what, fault) end
  return known
end

-- Writes what was gathered, each run's apart.
function Flow.write_all()
  Flow.gathers = false
  for run, f in pairs(Flow.runs) do Flow.guarded(run, 'what follows', Flow.write, f) end
end
