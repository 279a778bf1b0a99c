--! use clock
-- Gives: fill_in_parents(found), which puts what prompts of flows' steps are made of behind their jobs: {job as take hands it
-- out, run}.

-- What is sent along with one call at most, of what prompts of flows are made of: bytes, and texts.
local MOST_SENT_BYTES, MOST_SENT_TEXTS = 1000000, 2000

-- Keys of what a request's prompt is made of, and the size of that (calls/flow_place.py).
local function keys_of_parents(run, request)
  local place, keys = cjson.decode(string.match(request, '.*,"flow":({.*})}$')), {}
  for i, parent in ipairs(place.parents) do
    local path = string.match(parent[2], '^@(.*)$')
    keys[i] = path and K.flow_item(run, parent[1], path) or K.reply(parent[2])
  end
  return keys, tonumber(place.bytes)
end

-- Items and answers that prompts are made of go with their jobs, so that a worker need not ask for them before it calls. Those
-- that would make too long an answer it reads by itself.
local function fill_in_parents(found)
  local keys, sent, bytes = {}, {}, 0
  for _, node in ipairs(found) do
    -- Where that cannot be told the worker says what is wrong with it.
    local known, own, size = pcall(keys_of_parents, node[2], node[1][1])
    if known and size and #keys + #own <= MOST_SENT_TEXTS and bytes + size <= MOST_SENT_BYTES then
      sent[#sent + 1], bytes = {node[1], #own}, bytes + size
      for _, key in ipairs(own) do keys[#keys + 1] = key end
    end
  end
  if #keys == 0 then return end
  local texts, at = redis.call('MGET', unpack(keys)), 0
  for _, node in ipairs(sent) do
    local job = node[1]
    for i = 1, node[2] do job[2 + i] = texts[at + i] end
    at = at + node[2]
  end
end
