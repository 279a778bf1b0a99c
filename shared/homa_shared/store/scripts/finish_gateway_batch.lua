--! flags allow-oom
--! use clock, gateway_file, gateway_told
-- Ends a batch of a file whose lines have all been answered, or a day after its window one whose input is lost: its files can be
-- read, its input is read no more.
--
-- KEYS[1] anchor
-- ARGV: batch, state that it ends in, ms that it is kept, ms that its files are kept, facts of its output file and of its file
--       of errors as JSON ('' where it has none), 1 where the files are listed, what is wrong with it as a whole as JSON (or ''),
--       URL that is told of its end (or ''), 1 where nobody reaches its input any more
-- Returns ok; '' where there is no such batch; unfinished where lines wait for their answers; the state where it has ended.
local id = ARGV[1]
local key = K.gateway_batch(id)
local v = redis.call('HMGET', key, 'status', 'cursor', 'total', 'tenant', 'input', 'output', 'error')
if not v[1] then return '' end
if redis.call('HEXISTS', key, 'ended') == 1 then return v[1] end
local told = redis.call('HMGET', key, 'answered', 'expires')
if ARGV[10] == '1' then
  if now < tonumber(told[2]) + C.INPUT_LOST_MS then return 'unfinished' end
-- A batch fails where answers were lost, and nowhere else.
elseif v[2] ~= v[3] or (told[1] == v[3]) == (ARGV[2] == 'failed') then
  return 'unfinished'
end
for i = 5, 6 do
  if ARGV[i] ~= '' then put_file(v[i + 1], cjson.decode(ARGV[i]), v[4], ARGV[7] == '1', now + tonumber(ARGV[4])) end
end
redis.call('HSET', key, 'status', ARGV[2], ARGV[2] .. '_at', now, 'ended', now)
if ARGV[8] ~= '' then redis.call('HSET', key, 'errors', ARGV[8]) end
tell_of_batch(id, ARGV[9])
redis.call('ZREM', K.gateway_batch_work(), id)
read_no_more(v[5])
redis.call('PEXPIRE', key, tonumber(ARGV[3]))
return 'ok'
