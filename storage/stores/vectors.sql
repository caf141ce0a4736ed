-- name: create_collection
insert into vector_collection (tenant_id, collection, dimension, metric)
values (:tenant_id, :collection, :dimension, :metric)
on conflict (tenant_id, collection) do nothing

-- name: read_collection
select dimension, metric from vector_collection where tenant_id = :tenant_id and collection = :collection

-- name: upsert_vectors
insert into vector_point (tenant_id, collection, point_id, dimension, metric, embedding, properties)
select :tenant_id, :collection, n.point_id, :dimension, :metric, cast(n.embedding as vector),
    coalesce(n.properties, '{}')
from jsonb_to_recordset(cast(:points as jsonb)) as n (point_id uuid, embedding text, properties jsonb)
order by n.point_id
on conflict (tenant_id, collection, point_id) do update set
    embedding = excluded.embedding, properties = excluded.properties, updated_at = engine_now()

-- name: delete_vectors
delete from vector_point
where tenant_id = :tenant_id and collection = :collection and point_id = any(cast(:point_ids as uuid[]))

-- name: forget_vectors
delete from vector_point where tenant_id = :tenant_id and point_id = :point_id

-- name: read_vectors
select point_id, cast(embedding as text) as embedding, properties from vector_point
where tenant_id = :tenant_id and collection = :collection and point_id = any(cast(:point_ids as uuid[]))
order by point_id

-- name: count_up_to
select count(*) as number from (
    select from vector_point where tenant_id = :tenant_id and collection = :collection limit :most
) counted

-- name: nearest_exactly
-- The materialised set keeps the planner from an index that would have to be filtered.
with candidates as materialized (
    select point_id, embedding, properties from vector_point
    where tenant_id = :tenant_id and collection = :collection
)
select point_id, properties, case :metric
    when 'l2' then embedding <-> cast(:embedding as vector)
    when 'cosine' then embedding <=> cast(:embedding as vector)
    else embedding <#> cast(:embedding as vector)
end as distance from candidates
order by distance, point_id limit :k

-- name: search_settings
-- Points of other collections are skipped while the search goes on, in the order of distance.
select set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.ef_search', :ef_search, true)

-- name: sizes
select dimension, metric, count(*) as number from vector_point group by dimension, metric order by dimension, metric
