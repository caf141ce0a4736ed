-- name: insert_document
insert into document (id, model, tenant_id, data_classification, body, revision, created_at, updated_at)
values (:id, :model, :tenant_id, :data_classification, cast(:body as jsonb), 1, :created_at, :updated_at)

-- name: read_document
select body, revision from document
where id = :id and model = :model and tenant_id = :tenant_id and deleted_at is null

-- name: query_documents
-- Ids are UUID v7, so they order by creation.
-- What the caller cannot read must not count against the limit.
select body, revision from document
where model = :model and tenant_id = :tenant_id and deleted_at is null and body @> cast(:filter as jsonb)
    and (data_classification = any(:readable) or cast(id as text) = any(:granted))
order by id desc limit :limit

-- name: update_document
-- The revision in the condition makes a lost update impossible: no row, no write.
update document
set body = cast(:body as jsonb), revision = revision + 1, updated_at = :updated_at,
    data_classification = :data_classification
where id = :id and model = :model and tenant_id = :tenant_id and revision = :revision and deleted_at is null

-- name: delete_document
-- A tombstone: invisible to every query, still there for the record.
update document set deleted_at = clock_timestamp(), revision = revision + 1
where id = :id and model = :model and tenant_id = :tenant_id and deleted_at is null

-- name: lock_name
-- Held until the transaction ends; serialises "next version of this name".
select pg_advisory_xact_lock(hashtextextended(:name, 0))

-- name: database_time
select engine_now() as now
