-- name: read_references
-- Of all tenants: the function alone may look, and only the custodian may call it.
select uri, model, record_id, tenant_id, data_classification, deleted_at, in_production from object_references()

-- name: read_holds
select hold_id, tenant_id, subject, reason from object_holds()

-- name: lock_collection
-- By session: a collection takes longer than a transaction may idle.
select pg_advisory_lock(hashtextextended('object garbage', 0))

-- name: unlock_collection
select pg_advisory_unlock(hashtextextended('object garbage', 0))

-- name: lock_removals
-- By session, as above: nobody places a hold meanwhile.
select pg_advisory_lock(hashtextextended('removals', 0))

-- name: unlock_removals
select pg_advisory_unlock(hashtextextended('removals', 0))

-- name: lock_holds
-- Removals and deletions of the tenant under way are waited for; those that come later see the hold.
select pg_advisory_xact_lock_shared(hashtextextended('removals', 0)),
    pg_advisory_xact_lock(hashtextextended('holds of ' || :tenant_id, 0))

-- name: find_record
-- Deleted records as well: their objects are what a hold is for.
select model from document where tenant_id = :tenant_id and cast(id as text) = :subject

-- name: names_object
select exists (
    select from document where tenant_id = :tenant_id and position(:subject in cast(body as text)) > 0
) as is_named

-- name: place_hold
insert into object_hold (hold_id, tenant_id, subject, reason, placed_by)
values (:hold_id, :tenant_id, :subject, :reason, :placed_by)
returning placed_at

-- name: release_hold
update object_hold set release_reason = :reason, released_by = :released_by, released_at = engine_now()
where hold_id = :hold_id and tenant_id = :tenant_id and released_at is null

-- name: list_holds
select hold_id, tenant_id, subject, reason, placed_by, placed_at, release_reason, released_by, released_at
from object_hold where tenant_id = :tenant_id order by hold_id

-- name: add_link
-- Seconds from the database's clock, which also decides when the link has expired.
insert into object_link (token_sha256, tenant_id, uri, issued_to, expires_at)
values (:token_sha256, :tenant_id, :uri, :issued_to, engine_now() + make_interval(secs => :seconds))
returning expires_at

-- name: use_link
-- Whoever changes the row has the link; the second one finds it used.
update object_link set used_at = engine_now()
where token_sha256 = :token_sha256 and used_at is null and expires_at > engine_now()
returning tenant_id, uri, issued_to

-- name: find_link
select tenant_id, uri, issued_to, used_at from object_link where token_sha256 = :token_sha256

-- name: withdraw_links
delete from object_link where tenant_id = :tenant_id and uri = any(:uris) and used_at is null

-- name: forget_links
delete from object_link where expires_at < engine_now() - interval '1 day'
