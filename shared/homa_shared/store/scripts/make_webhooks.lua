--! flags allow-oom
--! use clock, record, backlog, ending, schedule, schedule_alarm, schedule_delivery
-- Makes the deliveries of webhooks, of jobs and batches that have ended.
-- Each is named by what ended and a digest of its URL; it is made in the script that takes what ended off the list.
--
-- KEYS[1] anchor
-- ARGV[1] most of them
-- Returns how many were looked at. Cost: O(log N) each.
local function make(tenant, url, told)
  local log = '@' .. tenant
  local name = told.of .. '~' .. string.sub(redis.sha1hex(url), 1, 8)
  if redis.call('HEXISTS', K.schedule_deliveries(log), name) == 1 or redis.call('EXISTS', K.job(name)) == 1 then return end
  told.delivery, told.id, told.target, told.tenant = name, log, url, tenant
  send(name, cjson.encode({queue_name = C.DELIVERIES, actor_name = 'homa.deliver', args = {log}, kwargs = told,
    options = {homa = true}, message_id = name, message_timestamp = now}), told.job or told.of, tenant)
  redis.call('HSET', K.schedule_deliveries(log), name, cjson.encode({about = told.about, of = told.job or told.batch, came = told.state,
    target = shown_target(url), state = 'waiting', tries = 0, asked = now, job = name}))
  redis.call('ZADD', K.schedule_delivered(log), now, name)
  redis.call('SADD', K.webhook_tenants(), tenant)
  trim_deliveries(log, log, C.WEBHOOKS_KEPT)
end

local function of_job(id)
  local r = load_record(id)
  if not (r and r.wh and ENDED[r.st]) then return end
  make(r.tn, r.wh, {about = 'job', of = id, job = id, state = r.st, ended = r.en, submitted = r.sb, batch = r.ba, custom_id = r.ci,
    tags = r.tags, metadata = r.md, cost = r.co, unresolved = r.un})
end

-- A batch whose lines were retried completes anew, and is told of anew.
local function of_batch(id)
  local b = redis.call('HMGET', K.batch(id), 'webhook', 'completed', 'tenant', 'name', 'total', 'succeeded', 'failed', 'cancelled',
    'expired', 't.nano', 't.unres')
  if not (b[1] and b[2]) then return end
  local function n(i) return tonumber(b[i] or 0) end
  make(b[3] or '', b[1], {about = 'batch', of = id .. '-' .. b[2], batch = id, state = 'completed', ended = n(2), name = b[4] or '',
    total = n(5), succeeded = n(6), failed = n(7), cancelled = n(8), expired = n(9), cost = n(10), unresolved = n(11)})
end

local due = redis.call('ZRANGE', K.webhooks_due(), 0, tonumber(ARGV[1]) - 1)
for _, name in ipairs(due) do
  local batch = string.match(name, '^batch:(.*)$')
  -- What is odd about one is its own: the others are made all the same.
  local made, caught = pcall(batch and of_batch or of_job, batch or name)
  if not made then publish('webhook.failed', {job = not batch and name, batch = batch, detail = words_of_error(caught)}) end
  redis.call('ZREM', K.webhooks_due(), name)
end
return #due
