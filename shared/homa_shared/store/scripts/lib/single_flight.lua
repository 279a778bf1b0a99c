--! use record, backlog, follow
-- A queued job that is equal to another one: by its cache key, field ck.
-- Gives: served_by_another(id, r), true when the job ended by a reply that is kept, or stands aside behind an equal one in
-- flight; else it leads from now on.
local function served_by_another(id, r)
  if not r.ck or r.ck == '' then return false end
  local source = redis.call('GET', K.cached(r.ck))
  if source and redis.call('EXISTS', K.reply(source)) == 1 then
    dequeue(id, r)
    redis.call('ZADD', K.cache_index(), 'XX', now, r.ck)
    redis.call('HINCRBY', K.cache_stats(), 'hits', 1)
    end_by_reply(id, r, source)
    return true
  end
  local leader = redis.call('GET', K.leader(r.ck))
  if leader == id then return false end
  if leader then
    local l = redis.call('HMGET', K.job(leader), 'st', 'ln')
    -- A leader that waits in a lower lane gives way: equal jobs are served as early as the most urgent of them. One that this
    -- call has given, whose record is not written yet, is of no lower lane.
    if l[1] and not ENDED[l[1]] and (l[1] == 'running' or RANK[r.ln] >= RANK[l[2]]) then
      dequeue(id, r)
      redis.call('HINCRBY', K.cache_stats(), 'followers', 1)
      set_aside(id, r, 'follow:' .. r.ck)
      return true
    end
  end
  redis.call('SET', K.leader(r.ck), id)
  redis.call('HINCRBY', K.cache_stats(), 'misses', 1)
  return false
end
