-- name: try_to_lead
-- Held by the session, not by a transaction: whoever loses the session has lost the lead with it.
select pg_try_advisory_lock(hashtextextended('upkeep', 0)) as leads

-- name: bound_waiting
-- Who waits for a lock on a table makes all who come later wait too.
select set_config('lock_timeout', :milliseconds, true)
