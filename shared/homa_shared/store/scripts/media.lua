--! flags allow-oom
--! use clock, sealed
-- Media by digest, or what keys of encryption make of it: kept for whoever refers to them, removed when nobody does. A medium lives as long as a key that refers to
-- it (a stored request, a reply), and for `[retention] uploads` (an hour) from when it was last asked for, so that whoever
-- uploads it has time to submit its job, and the next job finds it uploaded.
--
-- KEYS[1] anchor
-- ARGV: order, then
--   hold       digest, end of a key that refers to it (p:<job>), …
--   uploading  1 where what is uploaded is sealed, path in the blob store…
--   placed     digest, path in the blob store, …
--   release    end of a key that refers to them no more, digest…
--   sweep      most to look at, 1 where the caller can delete blobs
--   gone       path of a blob that is deleted…
--   not there  digest, path at which a worker found nothing, …
-- Returns for hold the digests that are not uploaded, each once; for placed those whose upload came too late; for sweep {1
-- when more is due, path of a blob to delete, …}; else OK.
-- `hold` comes before the key that it names: what is held is not looked at for that time. `uploading` comes before the upload:
-- a blob that nothing will ever refer to, since its uploader died or somebody else's upload came first, is known by its path.
-- A path is handed out to be deleted only once nothing can refer to it any more, and again until it is `gone`.
-- Cost: O(log N) a medium; sweep looks at up to 100 references of each.
local LOOK_AGAIN_MS, SOON_MS = 600000, 60000
local REFERENCES = 100
local order = ARGV[1]

local function not_before() return now + tonumber(redis.call('HGET', K.config(), 'keep.uploads') or C.UPLOADS_KEPT_MS) end

if order == 'hold' then
  local missing, seen = {}, {}
  for i = 2, #ARGV, 2 do
    local digest = ARGV[i]
    redis.call('SADD', K.media_users(digest), ARGV[i + 1])
    if not seen[digest] then
      seen[digest] = true
      redis.call('ZADD', K.media_until(), 'GT', not_before(), digest)
      if redis.call('HEXISTS', K.media_places(), digest) == 0 then missing[#missing + 1] = digest end
    end
  end
  return missing
end

if order == 'uploading' then
  local clear = without_keys(ARGV[2])
  if clear then return clear end
  for i = 3, #ARGV do redis.call('ZADD', K.media_uploads(), not_before(), ARGV[i]) end
  return 'OK'
end

if order == 'placed' then
  local late = {}
  for i = 2, #ARGV, 2 do
    local digest, path = ARGV[i], ARGV[i + 1]
    local place = redis.call('HGET', K.media_places(), digest)
    if place ~= path then
      if redis.call('ZREM', K.media_uploads(), path) == 0 then
        -- It may be deleted by now.
        late[#late + 1] = digest
      elseif place then
        redis.call('ZADD', K.media_litter(), now, path)
      else
        redis.call('HSET', K.media_places(), digest, path)
        redis.call('ZADD', K.media_until(), 'GT', not_before(), digest)
      end
    end
  end
  return late
end

if order == 'gone' then
  redis.call('ZREM', K.media_litter(), unpack(ARGV, 2))
  return 'OK'
end

-- Whoever refers to it next uploads it again: else a blob that somebody removed, or a blob store that was exchanged, would be
-- missed for as long as somebody refers to the medium. Where another upload has taken its place meanwhile, that stays.
if order == 'not there' then
  for i = 2, #ARGV, 2 do
    if redis.call('HGET', K.media_places(), ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', K.media_places(), ARGV[i]) end
  end
  return 'OK'
end

if order == 'release' then
  for i = 3, #ARGV do
    local users = K.media_users(ARGV[i])
    redis.call('SREM', users, ARGV[2])
    -- In the store itself room is dear: what nobody refers to any more goes within a minute.
    if redis.call('EXISTS', users) == 0 and redis.call('HGET', K.media_places(), ARGV[i]) == C.IN_STORE then
      redis.call('ZADD', K.media_until(), 'XX', 'LT', now + SOON_MS, ARGV[i])
    end
  end
  return 'OK'
end

-- A request that a retry copied lives on under the retry's name.
local function needed(digest, user)
  if redis.call('EXISTS', P .. user) == 1 then return true end
  redis.call('SREM', K.media_users(digest), user)
  local job = string.match(user, '^p:(.+)$')
  local retry = job and redis.call('HGET', K.job(job), 'rb')
  if not retry then return false end
  redis.call('SADD', K.media_users(digest), 'p:' .. retry)
  return true
end

local most, deletes = tonumber(ARGV[2]), ARGV[3] == '1'
local abandoned = redis.call('ZRANGEBYSCORE', K.media_uploads(), '-inf', now, 'LIMIT', 0, most)
for _, path in ipairs(abandoned) do
  redis.call('ZREM', K.media_uploads(), path)
  redis.call('ZADD', K.media_litter(), now, path)
end
local due = redis.call('ZRANGEBYSCORE', K.media_until(), '-inf', now, 'LIMIT', 0, most)
for _, digest in ipairs(due) do
  local users, alive = K.media_users(digest), false
  for _, user in ipairs(redis.call('SRANDMEMBER', users, REFERENCES)) do
    if needed(digest, user) then
      alive = true
      break
    end
  end
  if alive then
    redis.call('ZADD', K.media_until(), now + LOOK_AGAIN_MS, digest)
  elseif redis.call('EXISTS', users) == 0 then
    local place = redis.call('HGET', K.media_places(), digest)
    redis.call('HDEL', K.media_places(), digest)
    redis.call('ZREM', K.media_until(), digest)
    redis.call('DEL', K.media(digest))
    if place and place ~= C.IN_STORE then redis.call('ZADD', K.media_litter(), now, place) end
  end
end
local litter = deletes and redis.call('ZRANGEBYSCORE', K.media_litter(), '-inf', now, 'LIMIT', 0, most) or {}
-- Whoever takes them may die before they are deleted: then somebody gets them again.
for _, path in ipairs(litter) do redis.call('ZADD', K.media_litter(), now + LOOK_AGAIN_MS, path) end
local more = #due == most or #abandoned == most or #litter == most
return {more and 1 or 0, unpack(litter)}
