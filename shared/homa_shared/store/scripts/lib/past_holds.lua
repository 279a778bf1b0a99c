--! use record, limiter, waits
-- What stood in the way of a group, noted at its quota scope while it does, so that a job that is taken later can tell what it
-- waited for: nothing is written for a job that waits, nor read for one that did not.
-- Gives: Waits.note(plan, ms, what, name), what `blocked` or `headroom` told of a scope; Waits.over(r, plan), the record's `hb`
-- where a wait is over.

-- `kind name`: the breaker, or the limit and the scope that it is one of.
function Waits.note(plan, ms, what, name)
  local s = scope(plan.quota)
  local by = string.sub(what, 1, 8) == 'breaker ' and what or (what .. ' ' .. name)
  -- A worker that finds no free slot asks a hundred times a second.
  if s.held == by and (s.held_till or 0) >= now + ms / 2 then return end
  set(s, 'held', by)
  set(s, 'held_till', now + ms)
end

-- By queue: from and till when it was paused last, ms.
Waits.pauses = {}

function Waits.pause_of(queue)
  local pause = Waits.pauses[queue]
  if not pause then
    local from, till = string.match(redis.call('HGET', K.queue(queue), 'was_paused') or '', '^(%d+) (%d+)$')
    pause = {tonumber(from) or 0, tonumber(till) or 0}
    Waits.pauses[queue] = pause
  end
  return pause[1], pause[2]
end

-- nil where the wait was short, or neither a pause nor a limit of its group has held it since it began.
function Waits.over(r, plan)
  local since, told = r.rd or r.sb or now, nil
  if now - since < C.WAIT_TOLD_MS then return nil end
  local from, till = Waits.pause_of(r.q)
  local paused = till - math.max(since, from)
  if paused >= C.WAIT_TOLD_MS then
    told = Waits.add(r.hb, paused, 'pause ' .. r.q)
    since = till
  end
  local s = scope(plan.quota)
  if now - since < C.WAIT_TOLD_MS or not s.held or (s.held_till or 0) <= since then return told end
  return Waits.add(told or r.hb, now - since, s.held)
end
