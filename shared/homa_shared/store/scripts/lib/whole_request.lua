--! use clock
-- Requests whose beginning is kept beside their batch (calls/batch_beginning.py), put together.
-- Gives: whole_request(request, batch).
local whole_request
do
  -- By batch and name; false where it is gone.
  local beginnings = {}

  function whole_request(request, batch)
    if not batch or string.sub(request, 1, #C.REQUEST_MARK) ~= C.REQUEST_MARK then return request end
    local name_to = #C.REQUEST_MARK + 8
    local name = string.sub(request, #C.REQUEST_MARK + 1, name_to)
    local known = batch .. name
    if beginnings[known] == nil then beginnings[known] = redis.call('HGET', K.batch_beginnings(batch), name) end
    if not beginnings[known] then return request end
    -- Behind the name stands `","p":[{"c":` or `","m":`.
    local in_message = string.sub(request, name_to + 4, name_to + 4) == 'p'
    return beginnings[known] .. string.sub(request, name_to + (in_message and 13 or 7))
  end
end
