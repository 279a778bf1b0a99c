--! flags allow-oom
--! use clock, record, vectors
-- Erases what is kept of one tenant, a slice a call: content first of all, then whatever names the tenant, but for the ledger's
-- lines and sums, which hold none. Every order may be given again.
--
-- KEYS[1] anchor
-- ARGV: order, tenant, then
--   jobs     job…                     returns how many were erased, then the jobs of which a record without content is kept: their
--                                     cost is unresolved, and only a record can resolve it
--   batches  1 where nothing stays, batch…   returns how many
--   flow     run, cursor              a slice of a flow's run: returns {items and nodes erased, cursor or ''}
--   deliveries delivery…              that have ended, of a schedule. Returns {how many, how many have not ended}
--   events   handler or '', entry to go on behind, most   returns {entries erased, entry to go on behind or ''}
--   letters  handler, rank, most      returns {letters erased, letters looked at}
--   webhooks message…                 what became of its webhooks, once all of their messages have ended, and those that have. Returns
--                                     {how many, messages that have not ended}
--   media    rank, most               returns {media that nothing refers to any more and the next sweep removes, media looked at}
--   vectors  most                     of all tenants: nobody can tell whose they are. Returns how many
-- Returns what its order says. Cost: O(what is named, or looked at).
local order, tenant = ARGV[1], ARGV[2]

-- What a record holds of its application's own: none of it is of use to the books.
local OWN = {'md', 'ci', 'ik', 'pk', 'cv', 'ck', 'wh'}

local function without_words(id)
  for _, name in ipairs(redis.call('HKEYS', K.attempts(id))) do
    local known, past = pcall(cjson.decode, redis.call('HGET', K.attempts(id), name))
    if known and type(past) == 'table' and past.note then
      past.note = ''
      redis.call('HSET', K.attempts(id), name, cjson.encode(past))
    end
  end
end

-- Whether nothing of the job is left.
local function erase_job(id, v)
  local key, cached = v[5], v[4]
  redis.call('DEL', K.request(id), K.reply(id), K.deltas(id), K.steps(id), K.budget('job:' .. id))
  redis.call('ZREM', K.ended(), id)
  redis.call('ZREM', K.webhooks_due(), id)
  if cached and redis.call('GET', K.cached(cached)) == id then
    redis.call('DEL', K.cached(cached))
    redis.call('ZREM', K.cache_index(), cached)
  end
  if key and string.match(redis.call('GET', K.idempotency(tenant, key)) or '', '^(%S+)') == id then
    redis.call('DEL', K.idempotency(tenant, key))
  end
  if tonumber(v[3] or 0) == 0 and tonumber(v[6] or 0) <= 0 then
    redis.call('DEL', K.job(id), K.attempts(id))
    return true
  end
  redis.call('HDEL', K.job(id), unpack(OWN))
  without_words(id)
  return false
end

-- Messages of the call that have ended: how many are gone, and how many have not ended.
local function erase_messages()
  local erased, live = 0, 0
  for i = 3, #ARGV do
    local v = redis.call('HMGET', K.job(ARGV[i]), 'st', 'kd')
    if v[2] == 'm' and ENDED[v[1]] then
      redis.call('DEL', K.job(ARGV[i]), K.request(ARGV[i]), K.reply(ARGV[i]), K.attempts(ARGV[i]))
      redis.call('ZREM', K.ended(), ARGV[i])
      redis.call('ZREM', K.deliveries_ended(), ARGV[i])
      erased = erased + 1
    elseif v[2] == 'm' then
      live = live + 1
    end
  end
  return {erased, live}
end

local function of_tenant(fields)
  for i = 1, #fields, 2 do
    if fields[i] == 'tenant' then return fields[i + 1] == tenant end
  end
  return false
end

if order == 'jobs' then
  local answer = {0}
  for i = 3, #ARGV do
    local id = ARGV[i]
    local v = redis.call('HMGET', K.job(id), 'st', 'tn', 'un', 'ck', 'ik', 'uo')
    if v[1] and (v[2] or '') == tenant and ENDED[v[1]] then
      if erase_job(id, v) then answer[1] = answer[1] + 1 else answer[#answer + 1] = id end
    end
  end
  return answer
end

if order == 'batches' then
  local erased = 0
  for i = 4, #ARGV do
    local id = ARGV[i]
    if redis.call('HGET', K.batch(id), 'tenant') == tenant then
      if ARGV[3] == '1' then
        redis.call('DEL', K.batch(id), K.batch_done(id), K.batch_lines(id), K.batch_failures(id), K.budget('batch:' .. id))
        redis.call('ZREM', K.batches(), id)
      else
        redis.call('HDEL', K.batch(id), 'name', 'why', 'tenant', 'webhook', 'unfilled', 'unsent_why')
      end
      -- What its lines ask alike, and of a flow its steps, which no cost needs.
      redis.call('DEL', K.flow(id), K.flow_nodes(id), K.batch_beginnings(id))
      redis.call('ZREM', K.webhooks_due(), 'batch:' .. id)
      erased = erased + 1
    end
  end
  return erased
end

-- Items are known by how many came where: `^ source scope`. A page of nodes goes with those that it tells of; where these are
-- too many for one call, the count says what is left, and the same page comes again.
if order == 'flow' then
  local run, nodes = ARGV[3], K.flow_nodes(ARGV[3])
  if redis.call('HGET', K.batch(run), 'tenant') ~= tenant then return {0, ''} end
  local page = redis.call('HSCAN', nodes, ARGV[4], 'COUNT', C.SLICE)
  local erased, gone, again = 0, {}, false
  for i = 1, #page[2], 2 do
    local field, value = page[2][i], page[2][i + 1]
    local source, scope = string.match(field, '^%^ (%S+) (.*)$')
    local count = source and tonumber(value) or 0
    local most = math.min(count, math.max(0, C.SLICE - erased))
    for number = count - most, count - 1 do
      redis.call('DEL', K.flow_item(run, source, (scope ~= '' and scope .. '.' or '') .. int(number)))
    end
    erased = erased + most
    if most < count then
      redis.call('HSET', nodes, field, int(count - most))
      again = true
    else
      gone[#gone + 1] = field
    end
  end
  for first = 1, #gone, C.SLICE do redis.call('HDEL', nodes, unpack(gone, first, math.min(#gone, first + C.SLICE - 1))) end
  if again then return {erased, ARGV[4]} end
  return {erased, page[1] == '0' and '' or page[1]}
end

if order == 'deliveries' then return erase_messages() end

if order == 'events' then
  local key = ARGV[3] == '' and K.events() or K.handler_events(ARGV[3])
  local entries = redis.call('XRANGE', key, ARGV[4] == '' and '-' or '(' .. ARGV[4], '+', 'COUNT', ARGV[5])
  local found = {}
  for _, entry in ipairs(entries) do
    if of_tenant(entry[2]) then found[#found + 1] = entry[1] end
  end
  if #found > 0 then redis.call('XDEL', key, unpack(found)) end
  return {#found, #entries == tonumber(ARGV[5]) and entries[#entries][1] or ''}
end

if order == 'letters' then
  local names = redis.call('ZRANGE', K.dead_index(ARGV[3]), ARGV[4], ARGV[4] + ARGV[5] - 1)
  local erased = 0
  for _, name in ipairs(names) do
    local known, letter = pcall(cjson.decode, redis.call('HGET', K.dead_letters(ARGV[3]), name) or '')
    if known and type(letter) == 'table' and type(letter.entry) == 'table' and of_tenant(letter.entry) then
      redis.call('HDEL', K.dead_letters(ARGV[3]), name)
      redis.call('ZREM', K.dead_index(ARGV[3]), name)
      erased = erased + 1
    end
  end
  return {erased, #names}
end

-- They are found by what is told of them, which goes last.
if order == 'webhooks' then
  local log, live = '@' .. tenant, erase_messages()[2]
  if live > 0 then return {0, live} end
  local erased = redis.call('HLEN', K.schedule_deliveries(log))
  redis.call('DEL', K.schedule_deliveries(log), K.schedule_delivered(log), K.schedule_delivered(log .. '+'))
  redis.call('SREM', K.webhook_tenants(), tenant)
  return {erased, 0}
end

-- Whoever else shows a medium keeps it. Those that were looked at stand behind the rank, or in front of it, to be swept.
if order == 'media' then
  local digests, unused = redis.call('ZRANGE', K.media_until(), ARGV[3], ARGV[3] + ARGV[4] - 1), 0
  for _, digest in ipairs(digests) do
    local used = false
    for _, user in ipairs(redis.call('SRANDMEMBER', K.media_users(digest), 100)) do
      local job = string.match(user, '^p:(.+)$')
      used = used or redis.call('EXISTS', P .. user) == 1 or (job and redis.call('HGET', K.job(job), 'rb'))
    end
    if not used then
      redis.call('ZADD', K.media_until(), 0, digest)
      unused = unused + 1
    end
  end
  return {unused, #digests}
end

return forget_vectors(redis.call('ZRANGE', K.vector_index(), 0, tonumber(ARGV[3]) - 1))
