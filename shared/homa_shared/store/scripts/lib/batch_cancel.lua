--! use clock, record, backlog, ending, batch_flag
-- Gives: cancel_batch(id, state), which flags a batch that is not complete, and completes it where nothing of it is left.
local function cancel_batch(id, state)
  flag_cancelled(id, state)
  complete_batch(id)
end
