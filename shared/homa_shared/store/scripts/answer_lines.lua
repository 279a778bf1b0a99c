--! flags allow-oom
--! use clock, record, forget
-- Notes that answers of some lines of a batch stand in parts of its files: of lines whose jobs have ended (`written`), or of
-- lines that never became jobs (`cursor`). It refuses unless that place stands where they begin, so that each line is
-- answered once, whoever writes. Parts of whoever is refused belong to nothing, and go with their file.
--
-- KEYS[1] anchor
-- ARGV: batch, written or cursor, from, to, offset behind the lines (bytes of the input; of cursor alone), what it adds as
--       JSON: {output: [{name, bytes}, …], error: likewise, counts: {field: by}}, 1 where what is written leaves the store,
--       jobs that then leave it…
-- Returns ok; stale; '' where there is no such batch, or it has ended; open where lines may still become jobs. Cost: O(lines).
local id, place, from, to = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = K.gateway_batch(id)
local v = redis.call('HMGET', key, place, 'output', 'error', 'ended')
if v[1] and v[1] ~= from then return 'stale' end
-- The files of one that has ended are what their readers were told.
if not v[1] or v[4] then return '' end
if place == 'cursor' and redis.call('HGET', K.batch(id), 'state') == 'open' then return 'open' end
local added = cjson.decode(ARGV[6])
for i, name in ipairs({'output', 'error'}) do
  for _, part in ipairs(added[name]) do
    redis.call('RPUSH', K.gateway_file_parts(v[i + 1]), part.name .. ' ' .. int(part.bytes))
    redis.call('HINCRBY', key, name .. '_bytes', int(part.bytes))
  end
end
for field, by in pairs(added.counts) do redis.call('HINCRBY', key, field, int(by)) end
redis.call('HSET', key, place, to)
if place == 'cursor' then redis.call('HSET', key, 'offset', ARGV[5]) end
if ARGV[7] == '1' then
  redis.call('LTRIM', K.batch_done(id), tonumber(to) - tonumber(from), -1)
  for i = 8, #ARGV do forget(ARGV[i]) end
end
return 'ok'
