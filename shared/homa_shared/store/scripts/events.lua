--! flags no-writes
-- A page of events, and how many were trimmed before a reader got to them: both from one look, so that no gap is silent.
--
-- KEYS[1] anchor
-- ARGV: id of the last event that was read ('$': the newest there is, '-': before the oldest kept), most events,
--       its place in the stream where the reader knows it (1: the first ever), else ''
-- Returns {missed, -1 where nobody can tell how many; id and place of the last one looked at, place '' where unknown; entries}.
-- Cost: O(events returned).
local after, count, place = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('EXISTS', K.events()) == 0 then return {0, (after == '$' or after == '-') and '0-0' or after, '', {}} end
local info, flat = {}, redis.call('XINFO', 'STREAM', K.events())
for i = 1, #flat, 2 do info[flat[i]] = flat[i + 1] end
local trimmed = info['entries-added'] - info['length']
if after == '$' then return {0, info['last-generated-id'], info['entries-added'], {}} end
if after == '-' then after, place = '0-0', trimmed end

local entries = redis.call('XRANGE', K.events(), '(' .. after, '+', 'COUNT', count)
local missed = 0
if trimmed > 0 and (not place or place < trimmed) and #redis.call('XRANGE', K.events(), '-', after, 'COUNT', 1) == 0 then
  missed = place and trimmed - place or -1
  place = trimmed
end
if #entries > 0 then after = entries[#entries][1] end
return {missed, after, place and place + #entries or '', entries}
