--! use clock
-- Gives: tell_of_batch(id, url), which has a webhook told of the end of a file's batch. It is told of then and not when its
-- last job ended: whoever is told can read its files.
local function tell_of_batch(id, url)
  if url == '' or redis.call('HEXISTS', K.batch(id), 'completed') == 0 then return end
  redis.call('HSET', K.batch(id), 'webhook', url)
  redis.call('ZADD', K.webhooks_due(), now, 'batch:' .. id)
end
