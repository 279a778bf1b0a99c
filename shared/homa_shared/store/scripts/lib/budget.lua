--! use clock, events, backlog
-- Budgets. An instance (a budget, for one tenant or tag value where it says so, in one period) holds spent, unresolved
-- and reserved nano-dollars. A job may be dispatched when spent + unresolved + reserved + its bound <= cap.
local budget_rules = nil
local instances = {}

local function rules()
  if not budget_rules then
    budget_rules = cjson.decode(redis.call('HGET', K.config(), 'budgets') or '[]')
  end
  return budget_rules
end

local function period_suffix(period)
  if period == 'total' then return '' end
  local y, m, d = date(now)
  if period == 'month' then return string.format('~%04d-%02d', y, m) end
  return string.format('~%04d-%02d-%02d', y, m, d)
end

-- Is `k=v` among the tags (a line each)? `value` nil asks for any value and returns it.
local function tag_value(tags, wanted)
  for tag in string.gmatch(tags or '', '[^\n]+') do
    if tag == wanted then return tag end
    if string.sub(tag, 1, #wanted + 1) == wanted .. '=' then return tag end
  end
  return nil
end

-- The cap of the schedule that a run, `schedule:tick`, is of; nil where it has none.
local function schedule_cap(run)
  local id = string.match(run, '^(.*):%d+$')
  local v = redis.call('HMGET', K.schedule(id), 'cap', 'period')
  if not v[1] or v[1] == '' then return nil end
  return {'schedule:' .. id .. period_suffix(v[2]), tonumber(v[1]), 'reject', v[2]}
end

-- The cap of a key of the gateway (gateway_keys.py); nil where it has none. A revoked key's jobs stand under it still.
local function key_cap(id)
  local record = redis.call('HGET', K.own('gateway', 'keys'), id)
  local said = record and cjson.decode(record) or {}
  if not said.cap then return nil end
  return {'key:' .. id .. period_suffix(said.period), tonumber(said.cap), 'reject', said.period}
end

-- Caps by tenant, tags, batch and key: jobs of one script share them, as a rule.
local known_caps = {}

local function shared_caps(r)
  local caps = {}
  for _, rule in ipairs(rules()) do
    local name = nil
    if rule.scope == 'all' then
      name = rule.name
    elseif rule.scope == 'tenant' then
      if not rule.match or rule.match == r.tn then name = rule.name .. '@' .. r.tn end
    elseif rule.scope == 'tag' then
      local tag = rule.match and tag_value(r.tags, rule.match)
      if tag then name = rule.name .. '#' .. tag end
    end
    if name then
      caps[#caps + 1] = {name .. period_suffix(rule.period), tonumber(rule.cap), rule.on_exceed, rule.period}
    end
  end
  local batch_key = nil
  if r.ba then
    -- Runs of a backfill stand under its budget, which is its batch's, and not under their schedule's.
    local v = redis.call('HMGET', K.batch(r.ba), 'cap', 'run', 'backfill', 'gateway_key')
    if v[1] and v[1] ~= '' then caps[#caps + 1] = {'batch:' .. r.ba, tonumber(v[1]), 'reject', 'total'} end
    -- A batch that is a run itself stands under that of its backfill, or of its schedule, beside its own.
    if v[3] then
      local cap = redis.call('HGET', K.batch(v[3]), 'cap')
      if cap and cap ~= '' then caps[#caps + 1] = {'batch:' .. v[3], tonumber(cap), 'reject', 'total'} end
    elseif v[2] then
      caps[#caps + 1] = schedule_cap(v[2])
    end
    batch_key = v[4]
  elseif r.sc then
    caps[#caps + 1] = schedule_cap(r.sc)
  end
  if r.gk or batch_key then caps[#caps + 1] = key_cap(r.gk or batch_key) end
  return caps
end

-- Every cap that a job stands under: {instance, cap, on_exceed, period}.
local function caps_of(id, r)
  local whose = r.tn .. '\n' .. (r.ba or r.sc or '') .. '\n' .. (r.gk or '') .. '\n' .. (r.tags or '')
  local caps = known_caps[whose]
  if not caps then
    caps = shared_caps(r)
    known_caps[whose] = caps
  end
  if not r.jb then return caps end
  local all = {{'job:' .. id, r.jb, 'reject', 'total'}}
  for i, cap in ipairs(caps) do all[i + 1] = cap end
  return all
end

local function instance(name)
  local b = instances[name]
  if not b then
    local v = redis.call('HMGET', K.budget(name), 'spent', 'unres', 'reserved', 'told')
    b = {spent = tonumber(v[1] or 0), unres = tonumber(v[2] or 0), reserved = tonumber(v[3] or 0), told = number_of(v[4]) or 0}
    instances[name] = b
  end
  return b
end

-- Moves an instance's sums in the store alone.
local function charge_stored(name, spent, unres, reserved, cap)
  local key = K.budget(name)
  if spent ~= 0 then redis.call('HINCRBY', key, 'spent', int(spent)) end
  if unres ~= 0 then redis.call('HINCRBY', key, 'unres', int(unres)) end
  if reserved ~= 0 then redis.call('HINCRBY', key, 'reserved', int(reserved)) end
  if cap then
    redis.call('HSET', key, 'cap', int(cap))
    -- A batch's and a job's own cap are found by their names; only budgets of the settings need an index.
    local of_settings = not string.match(name, '^batch:') and not string.match(name, '^job:')
    if of_settings then redis.call('SADD', K.budgets(), name) end
    -- What a total budget has spent is spent, however long ago.
    if of_settings and not string.match(name, '~%d%d%d%d%-%d%d') then
      redis.call('PERSIST', key)
    else
      redis.call('PEXPIRE', key, C.BUDGETS_KEPT_MS)
    end
  end
end

-- Moves an instance's sums.
local function charge(name, spent, unres, reserved, cap)
  local b = instance(name)
  b.spent, b.unres, b.reserved = b.spent + spent, b.unres + unres, b.reserved + reserved
  charge_stored(name, spent, unres, reserved, cap)
end

-- The cap that an instance stands under now, nil when it stands under none any more. Settings may have changed it since.
local function cap_of(name)
  local kind, id = string.match(name, '^(%a+):(.*)$')
  if kind == 'batch' then return tonumber(redis.call('HGET', K.batch(id), 'cap') or nil) end
  if kind == 'job' then return tonumber(redis.call('HGET', K.job(id), 'jb') or nil) end
  if kind == 'schedule' then return tonumber(redis.call('HGET', K.schedule(string.match(id, '^[^~]*')), 'cap') or nil) end
  if kind == 'key' then
    local cap = key_cap(string.match(id, '^[^~]*'))
    return cap and cap[2]
  end
  for _, rule in ipairs(rules()) do
    local rest = string.sub(name, #rule.name + 1)
    if string.sub(name, 1, #rule.name) == rule.name and (rest == '' or string.match(rest, '^[@#~]')) then
      return tonumber(rule.cap)
    end
  end
  return nil
end

-- Has the period of this instance turned?
local function is_over(name)
  local day, month = string.match(name, '~%d%d%d%d%-%d%d%-%d%d$'), string.match(name, '~%d%d%d%d%-%d%d$')
  return (day and day ~= period_suffix('day')) or (month and month ~= period_suffix('month')) or false
end

local function tell_budget(name)
  local b = instance(name)
  local cap = number_of(redis.call('HGET', K.budget(name), 'cap')) or 0
  if cap <= 0 then return end
  local used = (b.spent + b.unres) * 100 / cap
  for _, mark in ipairs({50, 80, 100}) do
    if used >= mark and b.told < mark then
      b.told = mark
      redis.call('HSET', K.budget(name), 'told', mark)
      publish('budget.used', {detail = name .. ' ' .. mark .. '%'})
    end
  end
end

-- May a job be dispatched at this bound? 'yes', or 'reject', 'defer', 'wait' with the instance that stands in the way.
local function afford(caps, bound)
  for _, cap in ipairs(caps) do
    local b = instance(cap[1])
    if b.spent + b.unres + bound > cap[2] then
      return cap[3] == 'defer' and 'defer' or 'reject', cap[1]
    end
    if b.spent + b.unres + b.reserved + bound > cap[2] then return 'wait', cap[1] end
  end
  return 'yes'
end
