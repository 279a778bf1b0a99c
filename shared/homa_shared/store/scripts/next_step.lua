--! flags allow-oom
--! use clock, record, backlog, limiter, breaker, budget, target, stale, give_back
-- Reserves quota and budget for the next call of a running attempt, atomically, as take did for its first. An attempt
-- that resumes with a larger prompt than was reserved for it asks too, before its first call, and so does a call that stood by
-- until it could leave. Nothing is called before the answer is ok.
--
-- KEYS[1] anchor
-- ARGV: job, attempt, step number of the call, bound ('' unpriced), worker, nonce, then the tokens of each dimension that
-- counts them
-- Returns {answer, ms, what}: ok; wait (ask again after ms: `what` has no room); reject or defer (a budget); cancelled;
-- expired; too_large (no limit will ever admit it); unpriced (a budget applies); stale (over, or another worker's). Repeated
-- under its nonce it changes nothing: it is ok where its call is reserved still, else to be asked anew.
-- Whatever is not ok leaves the attempt without a reservation, its need in the record for the next take.
local id, attempt, step = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local bound = ARGV[4] ~= '' and ARGV[4] or nil
local worker, nonce = ARGV[5], ARGV[6]
local cost, tokens = one_request(), {}
for _, dimension in ipairs(DIMENSIONS) do
  if dimension.record then
    local amount = tonumber(ARGV[7 + #tokens / 2])
    cost[dimension.letter] = amount
    tokens[#tokens + 1], tokens[#tokens + 2] = dimension.record, amount
  end
end
local r = load_record(id)
-- Where the store had forgotten one worker's attempt another may run under the same number: what is reserved is its own.
if not (r and r.st == 'running' and r.at == attempt and r.wk == worker) then return {'stale', 0, ''} end
if r.sr == step then return {'ok', 0, ''} end
-- What it was answered is not kept. Behind a later request it would reserve what nobody uses.
if r.rn == nonce or is_stale(nonce, r.rn) then return {'wait', 0, 'an answer of the store'} end
redis.call('HSET', K.job(id), 'rn', nonce)

local quota, account = scope(r.qs), scope(r.ps)

-- The call that take reserved for begins with what its prompt shares; what that is of another prompt nobody has counted.
local function still_exempt()
  for _, dimension in ipairs(DIMENSIONS) do
    if dimension.record and cost[dimension.letter] ~= (r[dimension.record] or 0) then return nil end
  end
  return exempt_tokens(r, plan_of(r.q, r.tg, r.ps))
end
local exempt = r.sw and still_exempt()

local function need()
  redis.call('HSET', K.job(id), unpack(tokens))
  if exempt then redis.call('HSET', K.job(id), 'xt', exempt) else redis.call('HDEL', K.job(id), 'xt') end
  if bound then redis.call('HSET', K.job(id), 'bn', bound) else redis.call('HDEL', K.job(id), 'bn') end
end

-- Headroom beside the slot that this attempt holds already.
local function room(s, wanted)
  s.busy = (s.busy or 0) - 1
  local ms, what = headroom(s, wanted)
  s.busy = s.busy + 1
  return ms, what
end

local function barred()
  if r.cx or (r.ba and redis.call('HEXISTS', K.batch(r.ba), 'cancel') == 1) then return 'cancelled', 0, '' end
  if r.dl and r.dl <= now then return 'expired', 0, '' end
  local caps = caps_of(id, r)
  if #caps > 0 then
    if not bound then return 'unpriced', 0, r.tt or r.tg end
    local verdict, name = afford(caps, tonumber(bound))
    if verdict == 'wait' then return 'wait', 1000, 'budget ' .. name end
    if verdict ~= 'yes' then return verdict, 0, name end
  end
  for _, name in ipairs({r.ps, r.tt or r.tg}) do
    local ms = breaker_wait(breaker(name))
    if ms > 0 then return 'wait', ms, 'breaker ' .. name end
  end
  local ms, what = room(account, NO_COST)
  if ms == 0 then ms, what = room(quota, cost) end
  if not ms then return 'too_large', 0, what end
  if ms > 0 then return 'wait', ms, what end
  return 'ok', 0, '', caps
end

-- What take reserved for a smaller call goes back, and all is asked for anew.
if not r.sw then give_back_call(id, r) end
need()
if exempt then cost = need_of(r, exempt) end
local answer, ms, what, caps = barred()
if answer == 'ok' then
  reserve(quota, cost)
  set(quota, 'busy', quota.busy - 1)
  breaker_pass(breaker(r.ps))
  breaker_pass(breaker(r.tt or r.tg))
  local names = {}
  for _, cap in ipairs(caps) do
    charge(cap[1], 0, 0, tonumber(bound), cap[2])
    names[#names + 1] = cap[1]
  end
  redis.call('HSET', K.job(id), 'sr', step, 'sa', now)
  if #names > 0 then redis.call('HSET', K.job(id), 'bi', table.concat(names, '\n')) end
  redis.call('HDEL', K.job(id), 'sw')
end
save_scopes()
return {answer, ms, what or ''}
