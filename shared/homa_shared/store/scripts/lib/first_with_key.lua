--! use clock, digests
-- Idempotency keys of jobs that are accepted one at a time.
-- Gives: first_with_key(tenant, key), the job that has a `key digest` and whether its request was the same, nil where it is
-- free; keep_key(tenant, key, job, due), which gives it to a job and returns its name.

-- As in submit.lua: a limit for jobs that end without setting it.
local KEY_MS = 400 * DAY_MS

local function parts_of(key) return string.match(key, '^(.*) ([%x,]+)$') end

local function first_with_key(tenant, key)
  if key == '' then return nil end
  local name, digest = parts_of(key)
  local first, first_digest = string.match(redis.call('GET', K.idempotency(tenant, name)) or '', '^(%S+) (%x+)$')
  -- A key whose job has been purged is free again.
  if not first or redis.call('EXISTS', K.job(first)) == 0 then return nil end
  return first, is_among(digest, first_digest)
end

local function keep_key(tenant, key, job, due)
  local name, digest = parts_of(key)
  redis.call('SET', K.idempotency(tenant, name), job .. ' ' .. noted(digest), 'PX', KEY_MS + due)
  return name
end
