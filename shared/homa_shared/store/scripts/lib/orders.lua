--! use record
-- Orders to a worker. One that does not fetch them in time hears of them with its next beat (renew.lua).
-- Gives: order_cancel(id, r), for a job that runs.
local function order_cancel(id, r)
  local control = K.control(r.wk)
  redis.call('RPUSH', control, 'cancel ' .. id .. ' ' .. int(r.at))
  redis.call('PEXPIRE', control, C.ORDERS_KEPT_MS)
end
