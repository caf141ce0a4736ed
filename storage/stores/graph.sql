-- name: connect_edges
-- An edge that is open already stays as it is; one that was closed later than the new one begins goes on from there,
-- so that no moment has it twice.
insert into graph_edge (tenant_id, kind, source_model, source_id, target_model, target_id, valid_from, properties)
select :tenant_id, n.kind, n.source_model, n.source_id, n.target_model, n.target_id,
    greatest(coalesce(n.valid_from, engine_now()), (
        select max(e.valid_to) from graph_edge e
        where e.tenant_id = :tenant_id and e.source_id = n.source_id and e.kind = n.kind and e.target_id = n.target_id
    )),
    coalesce(n.properties, '{}')
from jsonb_to_recordset(cast(:edges as jsonb)) as n (
    kind text, source_model text, source_id uuid, target_model text, target_id uuid, valid_from timestamptz,
    properties jsonb)
order by n.source_id, n.kind, n.target_id
on conflict (tenant_id, source_id, kind, target_id) where valid_to is null do nothing

-- name: disconnect_edges
update graph_edge e set valid_to = greatest(e.valid_from, coalesce(cast(:at as timestamptz), engine_now()))
from jsonb_to_recordset(cast(:edges as jsonb)) as n (kind text, source_id uuid, target_id uuid)
where e.tenant_id = :tenant_id and e.valid_to is null
    and e.source_id = n.source_id and e.kind = n.kind and e.target_id = n.target_id

-- name: traverse
-- Breadth first, a row for each level: each node is expanded once, whatever cycles there are. One level and one node
-- more than asked for are looked for, which tells whether there are more.
with recursive level (depth, frontier, reached) as (
    select 0, array[cast(:start as uuid)], array[cast(:start as uuid)]
    union all
    select level.depth + 1, next.frontier, level.reached || next.frontier
    from level
    cross join lateral (
        select array_agg(fresh.id) as frontier
        from (
            select found.id
            from (
                select e.target_id as id from unnest(level.frontier) as f (id)
                join graph_edge e on e.tenant_id = :tenant_id and e.source_id = f.id
                where :downstream and e.kind = any(cast(:kinds as text[]))
                    and (cast(:at as timestamptz) is null
                        or (e.valid_from <= :at and (e.valid_to is null or e.valid_to > :at)))
                union all
                select e.source_id from unnest(level.frontier) as f (id)
                join graph_edge e on e.tenant_id = :tenant_id and e.target_id = f.id
                where :upstream and e.kind = any(cast(:kinds as text[]))
                    and (cast(:at as timestamptz) is null
                        or (e.valid_from <= :at and (e.valid_to is null or e.valid_to > :at)))
            ) found
            except
            select unnest(level.reached)
            order by 1
            limit :max_nodes + 1 - cardinality(level.reached)
        ) fresh
    ) next
    where next.frontier is not null and level.depth <= :max_depth and cardinality(level.reached) <= :max_nodes
)
select depth, frontier from level order by depth

-- name: edges_among
-- The edges that have both ends among the nodes; a join, because a prepared statement does not hash an array.
select e.kind, e.source_model, e.source_id, e.target_model, e.target_id, e.valid_from, e.valid_to, e.recorded_at,
    e.properties
from unnest(cast(:nodes as uuid[])) as f (id)
join graph_edge e on e.tenant_id = :tenant_id and e.source_id = f.id
join unnest(cast(:nodes as uuid[])) as t (id) on t.id = e.target_id
where e.kind = any(cast(:kinds as text[]))
    and (cast(:at as timestamptz) is null or (e.valid_from <= :at and (e.valid_to is null or e.valid_to > :at)))
order by e.edge_id
