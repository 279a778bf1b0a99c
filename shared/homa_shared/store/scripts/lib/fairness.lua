--! use backlog, take_call
-- Who is next: targets of a lane share the slots and take turns; tenants of a group are served by weighted virtual time.
-- Gives: open_targets(lane), took_turn(lane, pair), next_tenant(group, passed_over), was_served(group, tenant).

-- Most targets of a lane that one call looks at.
local TARGETS = 64

local paused = {}
local function is_paused(queue)
  if paused[queue] == nil then paused[queue] = redis.call('HEXISTS', K.queue(queue), 'paused') == 1 end
  return paused[queue]
end

-- Queue and target of each group of a lane that this worker may serve, those that waited longest first.
local function open_targets(lane)
  local open = {}
  for _, queue in ipairs(asked.queues) do
    if not is_paused(queue) then
      for _, target in ipairs(redis.call('ZRANGE', K.lane(queue, lane), 0, TARGETS - 1)) do
        -- A worker without a provider runs actors only.
        if asked.provider ~= '' or target == C.ACTOR_TARGET then open[#open + 1] = {queue, target} end
      end
    end
  end
  return open
end

local function took_turn(lane, pair) redis.call('ZADD', K.lane(pair[1], lane), 'XX', now_us, pair[2]) end

local function next_tenant(group, passed_over) return redis.call('ZRANGE', group, passed_over, passed_over)[1] end

local weights = nil
local function was_served(group, tenant)
  weights = weights or cjson.decode(redis.call('HGET', K.config(), 'weights') or '{}')
  -- A tenant that has nothing more may have left its group by now.
  redis.call('ZADD', group, 'XX', 'INCR', 1 / (weights[tenant] or 1), tenant)
end
