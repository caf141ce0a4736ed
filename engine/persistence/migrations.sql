-- name: migrate_instance
-- A step that was computed from the older version is refused.
update process_instance
set process_definition_id = :process_definition_id,
    pinned_definitions = cast(:pinned_definitions as jsonb),
    start_event_id = :start_event_id,
    version = version + 1
where process_instance_id = :process_instance_id

-- name: migrate_tasks
update task t
set spec = split_part(t.spec, ':', 1) || ':' || (cast(:renamed as jsonb) ->> substr(t.spec, strpos(t.spec, ':') + 1))
where t.process_instance_id = :process_instance_id and t.process_id = :process_id
  and cast(:renamed as jsonb) ->> substr(t.spec, strpos(t.spec, ':') + 1) is not null

-- name: migrate_jobs
-- What waits belongs to a live task of the process; signal jobs belong to none.
update job w set element_id = cast(:renamed as jsonb) ->> w.element_id
from task t
where w.process_instance_id = :process_instance_id and t.task_id = w.task_id and t.process_id = :process_id
  and cast(:renamed as jsonb) ->> w.element_id is not null

-- name: migrate_timers
update timer w set element_id = cast(:renamed as jsonb) ->> w.element_id
from task t
where w.process_instance_id = :process_instance_id and t.task_id = w.task_id and t.process_id = :process_id
  and cast(:renamed as jsonb) ->> w.element_id is not null

-- name: migrate_subscriptions
update subscription w set element_id = cast(:renamed as jsonb) ->> w.element_id
from task t
where w.process_instance_id = :process_instance_id and t.task_id = w.task_id and t.process_id = :process_id
  and cast(:renamed as jsonb) ->> w.element_id is not null

-- name: migrate_incidents
update incident w set element_id = cast(:renamed as jsonb) ->> w.element_id
from task t
where w.process_instance_id = :process_instance_id and t.task_id = w.task_id and t.process_id = :process_id
  and cast(:renamed as jsonb) ->> w.element_id is not null

-- name: migrate_user_tasks
-- Completed ones too: separation of duties asks by the name of the element who performed it.
update user_task w set element_id = cast(:renamed as jsonb) ->> w.element_id
where w.process_instance_id = :process_instance_id and w.process_id = :process_id
  and cast(:renamed as jsonb) ->> w.element_id is not null

-- name: migrate_exclusions
update user_task w
set excluded = (
    select jsonb_agg(coalesce(cast(:renamed as jsonb) ->> entry, entry) order by place)
    from jsonb_array_elements_text(w.excluded) with ordinality as e (entry, place))
where w.process_instance_id = :process_instance_id and jsonb_array_length(w.excluded) > 0
