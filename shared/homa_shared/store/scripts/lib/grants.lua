--! use record, backlog, budget, take_call
-- What take gives, written together: jobs leave their backlogs, are leased and journaled, and hold room in their budgets. Nothing
-- that is written here can be refused, and all of it is written before anything is read that it changes.
-- Gives: hold(cap, bound), grant(id, r, backlog, fields), write_grants(), write_grants_of(backlog).

-- Room held by instance: {cap, nano-dollars}. Jobs given by backlog, with one of them: {ids, r}. Leases; records' commands.
local held, given, leases, records = {}, {}, {}, {}

-- Holds room in a budget for a call's bound; what other jobs of this call may cost is reckoned with it at once.
local function hold(cap, bound)
  local name, b = cap[1], instance(cap[1])
  b.reserved = b.reserved + bound
  held[name] = held[name] or {cap = cap[2], nano = 0}
  held[name].nano = held[name].nano + bound
end

local function grant(id, r, backlog, fields)
  given[backlog] = given[backlog] or {ids = {}, r = r}
  table.insert(given[backlog].ids, id)
  leases[#leases + 1] = int(now + asked.lease_ms)
  leases[#leases + 1] = id .. ':' .. int(r.at)
  records[#records + 1] = {'HSET', K.job(id), 'st', r.st, 'at', r.at, 'tr', r.tr, 'wk', r.wk, 'as', r.as, unpack(fields)}
end

local function write_grants()
  if #leases == 0 then return end
  for name, room in pairs(held) do
    charge_stored(name, 0, 0, room.nano, room.cap)
  end
  redis.call('ZADD', K.leases(), unpack(leases))
  for backlog, g in pairs(given) do
    redis.call('ZREM', backlog, unpack(g.ids))
    leave_empty(backlog, g.r)
  end
  for _, command in ipairs(records) do redis.call(unpack(command)) end
  held, given, leases, records = {}, {}, {}, {}
end

-- Before a backlog is looked at again, which must not show what was given.
local function write_grants_of(backlog) if given[backlog] then write_grants() end end
