--! use clock, record, backlog, ending, ledger
-- Cache and single flight. Equal jobs (field ck) follow the first of them that runs: they stand aside under
-- `follow:<key>` and end with its reply. Only complete successes are kept.

-- Ends a follower by another job's reply; its ledger line costs nothing and names the source.
local function end_by_reply(id, r, source)
  enter({job = id, attempt = 0, target = r.tg, tenant = r.tn, batch = r.ba, tags = r.tags, outcome = 'cached ' .. source,
    requests = 0}, now)
  local text = cjson.encode({cached = source, custom_id = r.ci})
  -- The reply that this one refers to must be readable for as long.
  redis.call('PEXPIRE', K.reply(source), retention('results'), 'GT')
  end_job(id, r, 'succeeded', text)
end

-- Followers of a key that wait, in slices; the rest stays for the sweep.
local function end_followers(key, source, n)
  local reason = 'follow:' .. key
  local ids = redis.call('ZRANGE', K.waiting(reason), 0, n - 1)
  for _, id in ipairs(ids) do
    local f = load_record(id)
    if f and f.st == 'waiting' then
      leave_waiting(id, f)
      end_by_reply(id, f, source)
    else
      redis.call('ZREM', K.waiting(reason), id)
    end
  end
  return #ids
end

-- Most replies in the cache where the settings say nothing.
local CACHED_REPLIES = 100000

-- Keeps replies of jobs for equal jobs to come, in the place of the oldest where there is no more room.
local function keep_replies(jobs)
  local said = redis.call('HMGET', K.config(), 'cache.ttl_ms', 'cache.entries')
  local ttl, size = math.floor(number_of(said[1]) or C.CACHE_KEPT_MS), number_of(said[2]) or CACHED_REPLIES
  local places = {}
  for _, job in ipairs(jobs) do
    -- The entry may not outlive the reply that it points to.
    redis.call('SET', K.cached(job.r.ck), job.id, 'PX', math.max(1, math.min(ttl, retention('results'))))
    places[#places + 1], places[#places + 2] = now, job.r.ck
  end
  redis.call('ZADD', K.cache_index(), unpack(places))
  redis.call('HINCRBY', K.cache_stats(), 'stored', #jobs)
  local excess = redis.call('ZCARD', K.cache_index()) - size
  if excess > 0 then
    for _, oldest in ipairs(redis.call('ZRANGE', K.cache_index(), 0, math.min(excess, 100) - 1)) do
      redis.call('DEL', K.cached(oldest))
      redis.call('ZREM', K.cache_index(), oldest)
    end
  end
end

-- An incomplete reply (cut at its output cap, or by a content filter) ends those who follow already and is kept for nobody
-- else; followers of another leader are left to that one.
local function after_success(id, r, partial)
  if not r.ck or r.ck == '' then return end
  local leads = redis.call('GET', K.leader(r.ck)) == id
  if not partial then keep_replies({{id = id, r = r}}) end
  if leads then redis.call('DEL', K.leader(r.ck)) end
  if partial and not leads then return end
  -- Without a cache entry the key of the leader names the source, for those that the sweep ends.
  if end_followers(r.ck, id, 100) >= 100 and partial then redis.call('SET', K.leader(r.ck), id, 'PX', retention('results')) end
end

-- The same of jobs that one script ends, {id, r, report}.
local function after_successes(jobs)
  local keyed, leaders, followers, kept = {}, {}, {}, {}
  for _, job in ipairs(jobs) do
    if job.r.ck and job.r.ck ~= '' then
      keyed[#keyed + 1] = job
      leaders[#keyed], followers[#keyed] = K.leader(job.r.ck), K.waiting('follow:' .. job.r.ck)
      if not job.report.partial then kept[#kept + 1] = job end
    end
  end
  if #keyed == 0 then return end
  -- As a rule nobody follows any of them.
  if redis.call('EXISTS', unpack(followers)) > 0 then
    for _, job in ipairs(keyed) do after_success(job.id, job.r, job.report.partial) end
    return
  end
  if #kept > 0 then keep_replies(kept) end
  for i, leader in ipairs(redis.call('MGET', unpack(leaders))) do
    if leader == keyed[i].id then redis.call('DEL', leaders[i]) end
  end
end

local RANK = C.LANE_RANK

-- Makes a follower the leader and sends it to its backlog: the most urgent of the first 100. Returns how many that were.
local function hand_over(key)
  redis.call('DEL', K.leader(key))
  local reason = 'follow:' .. key
  local successor, best
  for _, id in ipairs(redis.call('ZRANGE', K.waiting(reason), 0, 99)) do
    local f = redis.call('HMGET', K.job(id), 'st', 'ln')
    if f[1] ~= 'waiting' then
      redis.call('ZREM', K.waiting(reason), id)
    elseif not successor or RANK[f[2]] < best then
      successor, best = id, RANK[f[2]]
      if best == 1 then break end
    end
  end
  if not successor then return 0 end
  local record = load_record(successor)
  redis.call('SET', K.leader(key), successor)
  leave_waiting(successor, record, true)
  make_ready(successor, record)
  ring(record.q, 1)
  return 1
end

-- Effort of finding a leader's successor; a job that leads nobody is 1.
local SUCCESSION = 20

-- A leader that ends without success, or goes on to another target, hands over. Returns the effort, by which callers that
-- end many jobs bound their portion: 1 where it led nobody.
local function after_failure(id, r)
  if not r.ck or r.ck == '' then return 1 end
  if redis.call('GET', K.leader(r.ck)) ~= id then return 1 end
  hand_over(r.ck)
  return SUCCESSION
end
