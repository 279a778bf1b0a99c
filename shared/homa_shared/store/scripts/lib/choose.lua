--! use record, backlog, take_call, grants
-- Which job of a backlog is next. Heads of backlogs are fetched a block at a time.
-- Gives: candidate(backlog), take_out(r, backlog), forget_head(backlog), count_moved(), moving_place(card).

-- Most jobs fetched at once: no more than the worker has slots.
local BLOCK = math.min(16, asked.slots)
-- By backlog: {ids, at, more}; `more` says whether there may be others behind the block.
local heads = {}

-- A place among so many that moves with the clock, so that what fills the head does not hide the rest for ever.
local function moving_place(card) return now_us % math.max(1, card) end

local function fetch(backlog, start)
  write_grants_of(backlog)
  local ids = redis.call('ZRANGE', backlog, start, start + BLOCK - 1)
  heads[backlog] = {ids = ids, at = 1, more = #ids == BLOCK}
  return heads[backlog]
end

-- The backlog has changed beside its block.
local function forget_head(backlog) heads[backlog] = nil end

-- The next job of a tenant that this worker may run: the head, unless it is a suspect and a suspect runs here already. Where
-- suspects fill the head, as they do after a fleet was killed twice, one from a place that moves with the clock.
local function candidate(backlog)
  local h = heads[backlog]
  if not h or (h.at > #h.ids and h.more) then h = fetch(backlog, 0) end
  while true do
    local id = h.ids[h.at]
    if not id and h.passed_suspects and not h.elsewhere then
      h = fetch(backlog, moving_place(redis.call('ZCARD', backlog)))
      h.more, h.elsewhere = true, true
      id = h.ids[1]
    end
    if not id then return nil end
    local r = load_record(id)
    if not r or r.st ~= 'queued' then
      redis.call('ZREM', backlog, id)
    elseif asked.suspects == 0 or (r.px or 0) < C.SUSPECT_LEASES then
      return id, r
    else
      h.passed_suspects = true
    end
    h.at = h.at + 1
  end
end

local moved = {}

-- The candidate is given: it leaves its backlog with the others (grants.lua), and queue counts are written once at the end
-- (count_moved).
local function take_out(r, backlog)
  heads[backlog].at = heads[backlog].at + 1
  moved[r.q] = moved[r.q] or {}
  moved[r.q][r.ln] = (moved[r.q][r.ln] or 0) + 1
end

local function count_moved()
  for queue, lanes in pairs(moved) do
    for lane, n in pairs(lanes) do
      count(queue, lane, 'queued', -n)
      count(queue, lane, 'running', n)
    end
  end
end
