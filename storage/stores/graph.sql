-- name: connect_edges
-- An edge that is open already stays as it is; one that was closed later than the new one begins goes on from there,
-- so that no moment has it twice.
insert into graph_edge (tenant_id, kind, source_model, source_id, target_model, target_id, valid_from, properties)
select :tenant_id, n.kind, n.source_model, n.source_id, n.target_model, n.target_id,
    greatest(coalesce(n.valid_from, engine_now()), (
        select max(e.valid_to) from graph_edge e
        where e.tenant_id = :tenant_id and e.source_id = n.source_id and e.kind = n.kind and e.target_id = n.target_id
            and e.valid_to is not null
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

-- name: part_node
update graph_edge set valid_to = greatest(valid_from, engine_now())
where tenant_id = :tenant_id and valid_to is null and kind = any(cast(:kinds as text[]))
    and (source_id = :node_id or target_id = :node_id)

-- name: traverse
-- Breadth first, a row for each level: each node is expanded once, whatever cycles there are, and each level keeps the
-- edges that led to it, up to a number. One level and one node more than asked for are looked for, which tells whether
-- there are more. Of a node with a million edges the index gives as many as can matter, in the order of the other ends.
with recursive level (depth, frontier, reached, edges) as (
    select 0, array[cast(:start as uuid)], array[cast(:start as uuid)], cast(array[] as graph_edge[])
    union all
    select level.depth + 1, next.frontier, level.reached || next.frontier, next.edges
    from level
    cross join lateral (
        with found as materialized (
            select edges.id, edges.edge from unnest(level.frontier) as f (id)
            cross join lateral (
                select e.target_id as id, e as edge from graph_edge e
                where :downstream and e.source_id = f.id and e.tenant_id = :tenant_id
                    and e.kind = any(cast(:kinds as text[]))
                    and (cast(:at as timestamptz) is null
                        or (e.valid_from <= :at and (e.valid_to is null or e.valid_to > :at)))
                order by e.target_id limit :edges_of_a_node
            ) edges
            union all
            select edges.id, edges.edge from unnest(level.frontier) as f (id)
            cross join lateral (
                select e.source_id as id, e as edge from graph_edge e
                where :upstream and e.target_id = f.id and e.tenant_id = :tenant_id
                    and e.kind = any(cast(:kinds as text[]))
                    and (cast(:at as timestamptz) is null
                        or (e.valid_from <= :at and (e.valid_to is null or e.valid_to > :at)))
                order by e.source_id limit :edges_of_a_node
            ) edges
        )
        select array_agg(fresh.id) as frontier,
            (select array_agg(first.edge) from (select found.edge from found limit :max_edges) first) as edges
        from (
            select found.id from found
            except
            select unnest(level.reached)
            order by 1
            limit :max_nodes + 1 - cardinality(level.reached)
        ) fresh
    ) next
    where next.edges is not null and level.frontier is not null
        and level.depth <= :max_depth and cardinality(level.reached) <= :max_nodes
)
select level.depth, case when coalesce(e.ordinal, 1) = 1 then level.frontier end as frontier,
    e.edge_id, e.kind, e.source_model, e.source_id, e.target_model, e.target_id, e.valid_from, e.valid_to, e.recorded_at,
    e.properties
from level
left join lateral unnest(level.edges) with ordinality as e (
    edge_id, tenant_id, kind, source_model, source_id, target_model, target_id, valid_from, valid_to, recorded_at,
    properties, ordinal) on true
order by level.depth

-- name: edges_into
-- The edges that have both ends among the nodes, found at their targets: where one node is the source of a million. A
-- join, because a prepared statement does not hash an array; the offset keeps the planner from the other direction.
select e.edge_id, e.kind, e.source_model, e.source_id, e.target_model, e.target_id, e.valid_from, e.valid_to,
    e.recorded_at, e.properties
from unnest(cast(:nodes as uuid[])) as t (id)
cross join lateral (select * from graph_edge where target_id = t.id and tenant_id = :tenant_id offset 0) e
join unnest(cast(:nodes as uuid[])) as f (id) on f.id = e.source_id
where e.kind = any(cast(:kinds as text[]))
    and (cast(:at as timestamptz) is null or (e.valid_from <= :at and (e.valid_to is null or e.valid_to > :at)))

-- name: edges_out_of
-- The same, found at their sources.
select e.edge_id, e.kind, e.source_model, e.source_id, e.target_model, e.target_id, e.valid_from, e.valid_to,
    e.recorded_at, e.properties
from unnest(cast(:nodes as uuid[])) as f (id)
cross join lateral (select * from graph_edge where source_id = f.id and tenant_id = :tenant_id offset 0) e
join unnest(cast(:nodes as uuid[])) as t (id) on t.id = e.target_id
where e.kind = any(cast(:kinds as text[]))
    and (cast(:at as timestamptz) is null or (e.valid_from <= :at and (e.valid_to is null or e.valid_to > :at)))
