--! use record, target
-- What stands in a job's way, in words for people: who refused, and what was said.
-- Gives: in_words(plan, what), what `blocked` or `headroom` told; is_gone(worker); why_it_waited(r), for a job whose deadline passed.

local function in_words(plan, what)
  if what == 'frozen' then
    for _, name in ipairs({plan.quota, plan.account}) do
      local by = (scope(name).frozen or 0) > now and redis.call('HGET', K.scope(name), 'frozen_why')
      if by then return 'frozen: ' .. by end
    end
  end
  local broken = string.match(what or '', '^breaker (.*)$')
  local why = broken and breaker(broken).why
  return why and why ~= '' and (what .. ' is open: ' .. why) or what
end

-- Whether a worker has not been heard of for longer than one that lives; and since when, ms, where that is known.
local function is_gone(worker)
  local beat = tonumber(redis.call('ZSCORE', K.workers(), worker) or nil)
  return not beat or now - beat >= C.LIVE_MS, beat and now - beat
end

local served
-- Whether a live worker takes from a queue.
local function is_served(queue)
  if not served then
    served = {}
    for _, worker in ipairs(redis.call('ZRANGEBYSCORE', K.workers(), now - C.LIVE_MS, '+inf')) do
      local facts = redis.call('HGET', K.worker(worker), 'facts')
      facts = facts and cjson.decode(facts) or {}
      if facts.provider then served[facts.provider] = true end
      for _, name in ipairs(type(facts.queues) == 'table' and facts.queues or {}) do served[name] = true end
    end
  end
  return served[queue]
end

local function target_block(r)
  local members = members_of(r.tg)
  if members then
    local ms, what = pool_blocked(r.tg, members)
    local plan = plan_of(r.tg, r.tg, members[1] or r.q)
    return ms > 0 and in_words(plan, what)
  end
  local plan = plan_of(r.q, r.tg, r.q)
  local ms, what = blocked(plan)
  if ms == 0 then ms, what = headroom(scope(plan.quota), need_of(r)) end
  return what and in_words(plan, what)
end

local WAITED = {batch = 'for its paused batch ', budget = 'for room in the budget ', follow = 'for an equal job in flight'}

-- What a job waited for until its deadline passed.
local function why_it_waited(r)
  local kind, name = string.match(r.why or '', '^(%a+):(.*)$')
  if r.st == 'waiting' and WAITED[kind] then return WAITED[kind] .. (kind == 'follow' and '' or name) end
  if r.st == 'due' then return 'to be ready or tried again' end
  if redis.call('HEXISTS', K.queue(r.q), 'paused') == 1 then return 'in the paused queue ' .. r.q end
  if not is_served(r.q) then return 'in the queue ' .. r.q .. ', which no live worker served' end
  local what = r.kd ~= 'm' and target_block(r)
  return what and 'for ' .. r.tg .. ': ' .. what or 'for its turn in the queue ' .. r.q
end
