--! flags allow-oom
--! use clock
-- Replies of jobs, and of the jobs that they refer to: a reply from the cache names the job whose reply it is.
--
-- KEYS[1] anchor
-- ARGV: job…
-- Returns {reply or false, source's reply or false} per job.
local answers = {}
for i, id in ipairs(ARGV) do
  local reply = redis.call('GET', K.reply(id))
  local source = reply and string.match(reply, '^{"c') and cjson.decode(reply).cached
  answers[i] = {reply, source and redis.call('GET', K.reply(source)) or false}
end
return answers
