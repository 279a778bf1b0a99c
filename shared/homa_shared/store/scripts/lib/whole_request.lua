--! use clock
-- Requests whose beginning is kept beside their batch (calls/batch_beginning.py), put together.
-- Gives: whole_request(request, batch).
local whole_request
do
  -- By batch, then by name; false where it is gone.
  local beginnings = {}

  function whole_request(request, batch)
    if not batch or string.sub(request, 1, #C.REQUEST_MARK) ~= C.REQUEST_MARK then return request end
    local name_to = #C.REQUEST_MARK + 8
    local name = string.sub(request, #C.REQUEST_MARK + 1, name_to)
    local known = beginnings[batch] or {}
    beginnings[batch] = known
    if known[name] == nil then known[name] = redis.call('HGET', K.batch_beginnings(batch), name) end
    if not known[name] then return request end
    -- Behind the name stands `","p":[{"c":` or `","m":`.
    local in_message = string.sub(request, name_to + 4, name_to + 4) == 'p'
    return known[name] .. string.sub(request, name_to + (in_message and 13 or 7))
  end
end
