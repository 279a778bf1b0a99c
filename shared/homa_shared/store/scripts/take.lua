--! flags allow-oom
--! use clock, record, failover, take_call, nonce, due, turn_away, single_flight, grants, choose, divert_offer, admit, past_holds, lease, fairness
-- The one door: chooses jobs, reserves their quota and budget, journals their attempts, leases them, returns them.
-- What it hands out may be called at once.
--
-- KEYS[1] anchor
-- ARGV: worker, nonce, slots, lease_ms, provider, suspects that the worker runs, version of the settings that it knows, 1 where
--       it has keys of encryption, queue…
-- Returns {jobs, wait_ms, diverts, unplanned, version}: a job is {request, JSON of id, target and the fields of FIELDS.taken,
-- then, of a flow's step, the items and replies that its prompt is made of, where they are not too large}; wait_ms says how
-- long until something may run (-1: nothing waits); a divert is {reason, job}: a job whose target is out of reach for longer
-- than its slack; it stays queued until `divert` moves it to its next target. `unplanned` are targets whose limits the store
-- does not know, as after a loss of data: nothing of theirs is handed out until they are written. The version is that of the
-- fleet's settings: a worker that knows older ones reads them before it calls, so that no call goes out at a price that holds
-- no more.
-- The same nonce (`process-number`, numbers ascend) gets the same jobs again.
-- Cost: O(slots · log N), independent of how much waits.

-- Most jobs put out of the way in one call, and most due ones brought in.
local SKIPS = 100
-- How long until a store that lost its settings, or a target's plan, is asked again: workers write them each second.
local UNPLANNED_MS = 500
-- The same of a worker that lacks keys.
local KEYLESS_MS = 5000

-- Due jobs join their groups before the choice, so that a delay ends on time while workers live.
local function bring_in_due()
  for _, id in ipairs(due_jobs(SKIPS)) do promote(id) end
  local next_due = redis.call('ZRANGE', K.due(), 0, 0, 'WITHSCORES')
  if next_due[2] then sooner(math.max(1, tonumber(next_due[2]) - now)) end
end

-- Gives one job of a tenant, or says why not: given; skipped, this one is out of the
-- way; none of this tenant; stop, with ms and what is short.
local function give(backlog, target, plan)
  local id, r = candidate(backlog)
  if not id then return 'none' end
  if turned_away(id, r) or served_by_another(id, r) then return 'skipped' end
  local fields = {}
  if r.kd ~= 'm' then
    local verdict, cost, caps = admit(id, r, plan, target)
    if verdict == 'stop' then return 'stop', cost, caps end
    if verdict == 'gone' then return 'skipped' end
    fields = reserve_call(r, plan, cost, caps)
  end
  take_out(r, backlog)
  lease(id, r, backlog, fields)
  return 'given'
end

-- Whether a target is a pool that the worker cannot serve: its provider is none of the members, or it knows no settings.
local function is_foreign_pool(target)
  local members = members_of(target)
  if not members then return false end
  for _, member in ipairs(members) do
    if member == asked.provider then return asked.settings == 0 end
  end
  -- One without members is not known to the store.
  return #members > 0 or asked.settings == 0
end

-- Serves one target until `room` jobs are out or something stands in the way; returns how many it gave.
local function serve(queue, lane, target, room)
  local group, plan = K.group(queue, lane, target), plan_of(queue, target, asked.provider)
  if not plan.known and target ~= C.ACTOR_TARGET then
    -- A worker that is not a member of a pool, or not yet by the plans in the store, would not know what to call.
    if is_foreign_pool(target) then return 0 end
    if asked.settings > 0 then
      answer.unplanned[#answer.unplanned + 1] = target
      sooner(UNPLANNED_MS)
      return 0
    end
  end
  local several = redis.call('ZCARD', group) > 1
  local given, passed_over = 0, 0
  local tenant
  -- Where nothing that a call changes can stand in its way, it is asked for once.
  local asks_each = target ~= C.ACTOR_TARGET
  while given < room and answer.skips < SKIPS do
    local wait, why = 0, nil
    if asks_each then
      wait, why = blocked(plan)
      asks_each = may_be_blocked(plan)
    end
    if wait > 0 then
      sooner(until_probe(scope(plan.account), wait, why))
      Waits.note(plan, wait, why, plan.account)
      offer_diverts(queue, lane, target, wait, why)
      break
    end
    if several or not tenant then tenant = next_tenant(group, passed_over) end
    if not tenant then break end
    local backlog = K.backlog(queue, lane, target, tenant)
    local verdict, detail, what = give(backlog, target, plan)
    if verdict == 'given' then
      given = given + 1
      if several then was_served(group, tenant) end
    elseif verdict == 'skipped' then
      answer.skips = answer.skips + 1
      forget_head(backlog)
      tenant = nil
    elseif verdict == 'stop' then
      sooner(until_probe(scope(plan.quota), detail, what))
      Waits.note(plan, detail, what, plan.quota)
      offer_diverts(queue, lane, target, detail, what)
      break
    else
      write_grants()
      if redis.call('EXISTS', backlog) == 0 then
        leave_group(queue, lane, target, tenant)
      else
        -- Suspects wait here, and one runs in this process already.
        passed_over = passed_over + 1
        sooner(1000)
      end
      tenant = nil
    end
  end
  return given
end

-- Serves the targets of a lane in turn, each its share of the slots, until they are full or nothing more may run.
local function serve_lane(lane)
  local progress = true
  while progress and #answer.jobs < asked.slots and answer.skips < SKIPS do
    progress = false
    local open = open_targets(lane)
    for i, pair in ipairs(open) do
      local share = math.ceil((asked.slots - #answer.jobs) / (#open - i + 1))
      if share > 0 then
        local given = serve(pair[1], lane, pair[2], share)
        -- A blocked target takes its turn too, so that no number of them hides another.
        if given > 0 or #open >= TARGETS then took_turn(lane, pair) end
        if given >= share then progress = true end
      end
    end
  end
end

local said = redis.call('HMGET', K.config(), 'version', 'encryption')
local version = tonumber(said[1] or 0)
if was_answered() then
  fill_in_requests()
  return {answer.jobs, 0, {}, {}, version}
end
-- A store that came back empty knows neither limits nor budgets.
if asked.settings > 0 and version == 0 then return {{}, UNPLANNED_MS, {}, {}, version} end
-- What a worker without keys would write, all could read.
if said[2] == 'required' and not asked.has_keys then return {{}, KEYLESS_MS, {}, {}, version} end
-- After a failover nothing is handed out until workers have told what they call.
local held = held_after_failover(asked.lease_ms)
if held > 0 then return {{}, held, {}, {}, version} end
bring_in_due()
for _, lane in ipairs(C.LANES) do
  if #answer.jobs < asked.slots then serve_lane(lane) end
end
write_grants()
save_scopes()
count_moved()
fill_in_requests()
note_look()
tell_taken()
if answer.skips >= SKIPS then sooner(1) end
return {answer.jobs, answer.soonest or -1, answer.diverts, answer.unplanned, version}
