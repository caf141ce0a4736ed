-- An index on an expression serves an equal expression only, so dimension, metric and operator stand in the text.
select point_id, properties, distance from (
    select point_id, properties,
        cast(embedding as vector({dimension})) {operator} cast(:embedding as vector({dimension})) as distance
    from vector_point
    where tenant_id = :tenant_id and collection = :collection and dimension = {dimension} and metric = '{metric}'
    order by cast(embedding as vector({dimension})) {operator} cast(:embedding as vector({dimension})) limit :k
) found
order by distance, point_id
