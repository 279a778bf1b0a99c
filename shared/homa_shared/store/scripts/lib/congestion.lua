--! use clock, events, limiter
-- What a scope learns from its provider's refusals: how long it rests after a 429, how small its bursts are from then on, and
-- the rate of an adaptive scope, which is raised a little while work waits and cut by a 429.
-- Gives: grow(s), freeze(s, rest, about), thaw(s, why), got_through(s, began), congest(s, retry_after, about).

-- Adaptive mode: how far below the measured rate it restarts, and how fast it probes.
local RESTART, FIRST_CUT, PROBE_PER_S, SAME_EVENT_MS = 0.98, 0.7, 0.005, 500
-- After a cut that could not be measured: how much of the way back to the rate that was cut is made up in a second.
local RECOVER_PER_S, NEAR_TOP = 0.3, 0.97
-- The rest after a 429 that named none (or less): first, and at most after refusals in a row, none of whose calls got through.
local LEAST_REST_MS, UNNAMED_REST_MS, LONGEST_REST_MS = 100, 1000, 60000

local function tighten(s)
  set(s, 'tight', math.max(C.LEAST_BURST_MS, burst_us(s) / 2000))
  set(s, 'tight_at', now)
end

-- While work waits for an adaptive rate the rate grows: doubling each second until the first 429 ever; after a cut that
-- could not be measured quickly back towards the rate that was cut; else gently, and less gently the longer none came.
local function grow(s)
  if not is_adaptive(s) then return end
  local dt = math.min(now - (s.grown or now), 1000) / 1000
  local rate = s.rate or FIRST_RATE
  if s.top and rate < s.top * NEAR_TOP then
    rate = rate + (s.top - rate) * RECOVER_PER_S * dt
  elseif s.cut_at then
    local calm_s = (now - s.cut_at) / 1000
    rate = rate * (1 + PROBE_PER_S * dt * math.max(1, calm_s / 10))
  else
    rate = rate * 2 ^ dt
  end
  set(s, 'rate', rate)
  set(s, 'grown', now)
end

-- How long a scope rests after a 429 that asked for so many ms (negative: for nothing). What says nothing of use, such as
-- `Retry-After: 0` or a date that has passed, is answered by rests that double until a call gets through.
local function rest_after(s, retry_after)
  if retry_after >= UNNAMED_REST_MS then return retry_after end
  -- Where the rate is not known, what is in flight already will be refused too: a moment's rest spares most of that.
  local first = (retry_after < 0 and not is_adaptive(s)) and UNNAMED_REST_MS or LEAST_REST_MS
  return math.max(retry_after, math.min(first * 2 ^ math.min((s.refused or 1) - 1, 16), LONGEST_REST_MS))
end

-- Freezes a scope, unless it is frozen for longer already. What did it is kept for people, and told where it lasts.
local function freeze(s, rest, about)
  local left = (s.frozen or 0) - now
  if rest <= left then return end
  local was_frozen, becomes_long = left > 0, left <= PROBE_EACH_MS and rest > PROBE_EACH_MS
  set(s, 'frozen', now + rest)
  set(s, 'frozen_at', now)
  set(s, 'ramp', math.min(rest, 5000))
  set(s, 'frozen_why', about.detail)
  if becomes_long then
    set(s, 'probe', now + PROBE_EACH_MS)
  elseif not was_frozen then
    set(s, 'probe', 0)
  end
  if becomes_long or (rest >= UNNAMED_REST_MS and not was_frozen) then
    publish('scope.frozen', {target = s.name, job = about.job, detail = 'for ' .. int(rest) .. ' ms: ' .. about.detail})
  end
end

-- A freeze ends early: quota opens slowly, as after one that has run out.
local function thaw(s, why)
  publish('scope.unfrozen', {target = s.name, detail = int(s.frozen - now) .. ' ms early' .. why})
  set(s, 'frozen', now)
  set(s, 'refused', 0)
  if (s.held_till or 0) > now then set(s, 'held_till', now) end
end

-- A call that began at that time got through. True when it was the probe of a freeze, which ends by it.
local function got_through(s, began)
  if (s.refused or 0) > 0 then set(s, 'refused', 0) end
  if (s.frozen or 0) <= now or began <= (s.frozen_at or 0) then return false end
  thaw(s, ': a call got through')
  return true
end

-- A 429: the whole fleet stops on this scope until Retry-After (ms; negative when the provider named none).
-- Between two 429s the provider's bucket was empty at both ends, so what it accepted in between is its true rate.
-- `about`: job, detail (who was refused, and what was asked for), began (of the refused call).
local function congest(s, retry_after, about)
  local adaptive = is_adaptive(s)
  -- What was in flight when the freeze began tells nothing new.
  if about.began > (s.frozen_at or 0) then
    set(s, 'refused', (s.refused or 0) + 1)
    if not adaptive then tighten(s) end
  end
  freeze(s, rest_after(s, retry_after), about)
  if not adaptive then return end
  local rate, accepted = s.rate or FIRST_RATE, s.acc or 0
  if s.cut_at and now - s.cut_at < SAME_EVENT_MS then return end
  if s.cut_at and accepted - s.cut_acc >= 20 then
    local measured = (accepted - s.cut_acc) * 1000 / (now - s.cut_at)
    rate = math.min(rate * 0.95, measured * RESTART)
    set(s, 'top', 0)
  else
    set(s, 'top', rate)
    rate = rate * FIRST_CUT
  end
  set(s, 'rate', math.max(rate, 0.05))
  set(s, 'grown', now)
  set(s, 'cut_at', now)
  set(s, 'cut_acc', accepted)
end
