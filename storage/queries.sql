
-- name: lock_name
-- Held until the transaction ends; serialises "next version of this name".
select pg_advisory_xact_lock(hashtextextended(:name, 0))

-- name: database_time
select engine_now() as now
