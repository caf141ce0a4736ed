-- name: try_to_lead
-- Held by the session, not by a transaction: whoever loses the session has lost the lead with it.
-- A login that does not own the tables could do nothing, and must not keep out one that does.
select owner.is_owner,
    case when owner.is_owner then pg_try_advisory_lock(hashtextextended('upkeep', 0)) else false end as leads
from (
    select pg_has_role(current_user, relowner, 'usage') as is_owner from pg_class
    where oid = cast('metric_point' as regclass)
) owner

-- name: bound_waiting
-- Who waits for a lock on a table makes all who come later wait too.
select set_config('lock_timeout', :milliseconds, true)
