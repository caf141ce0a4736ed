-- name: lock_correlations
-- Publishing and waiting take the same lock, so that neither misses the other; who takes several takes them in one
-- order. A fixed number of locks: a step that waits for thousands of keys must not exhaust the server's lock table.
select pg_advisory_xact_lock(cast(:space as integer), bucket)
from (
    select distinct cast(hashtextextended(name, 0) & 1023 as integer) as bucket
    from unnest(cast(:names as text[])) as correlation (name)
    order by bucket
) buckets

-- name: insert_message
-- A message whose id is known gives the known row back, unchanged.
insert into message
    (message_id, tenant_id, name, correlation_key, deduplication_id, payload, published_by, published_at, expires_at,
     kept_until, status)
select :message_id, :tenant_id, :name, :correlation_key, cast(:deduplication_id as text), cast(:payload as jsonb),
       cast(:published_by as jsonb), at, at + make_interval(secs => :time_to_live_seconds),
       at + make_interval(secs => :time_to_live_seconds) + make_interval(secs => :kept_seconds), 'dropped'
from (select engine_now() as at) clock
on conflict (tenant_id, name, deduplication_id) where deduplication_id is not null
    do update set status = message.status
returning *

-- name: settle_message
update message
set status = :status, receivers = cast(:receivers as jsonb), result = coalesce(cast(:result as jsonb), result)
where message_id = :message_id

-- name: messages_by_id
select * from message where message_id = any(cast(:message_ids as uuid[])) order by published_at, message_id

-- name: buffered_messages
-- No limit (null) where everything that waits is wanted.
select m.*
from jsonb_to_recordset(cast(:wanted as jsonb))
         as w (tenant_id text, name text, correlation_key text, number integer)
cross join lateral (
    select * from message
    where status = 'buffered' and tenant_id = w.tenant_id and name = w.name and correlation_key = w.correlation_key
      and expires_at > engine_now()
    order by published_at, message_id limit w.number
) m

-- name: expire_messages
-- A minute late: whoever found a message unexpired a moment ago may still deliver it.
update message set status = 'expired'
where message_id in (
    select message_id from message
    where status = 'buffered' and expires_at < (select engine_now()) - interval '1 minute'
    order by expires_at limit :limit for update skip locked
)

-- name: forget_messages
delete from message
where message_id in (
    select message_id from message
    where kept_until < (select engine_now()) - interval '1 minute'
    order by kept_until limit :limit for update skip locked
)

-- name: insert_subscriptions
insert into subscription
    (subscription_id, kind, name, correlation_key, tenant_id, process_instance_id, task_id, element_id, process_id,
     process_definition_id, is_repeating)
select subscription_id, kind, name, correlation_key, tenant_id, process_instance_id, task_id, element_id, process_id,
       process_definition_id, is_repeating
from jsonb_to_recordset(cast(:rows as jsonb)) as s (
    subscription_id uuid, kind text, name text, correlation_key text, tenant_id text, process_instance_id uuid,
    task_id uuid, element_id text, process_id text, process_definition_id uuid, is_repeating boolean)

-- name: oldest_receiver
-- Under the correlation's lock. An expired message is still due to whoever waited when it was published.
select * from subscription
where tenant_id = :tenant_id and kind = 'message' and name = :name and correlation_key = :correlation_key
  and (cast(:waiting_since as timestamptz) is null or created_at <= cast(:waiting_since as timestamptz))
  and (cast(:process_instance_id as uuid) is null or process_instance_id = cast(:process_instance_id as uuid))
order by created_at, subscription_id limit 1

-- name: awaited_by_instance
select name, correlation_key from subscription
where process_instance_id = :process_instance_id and tenant_id = :tenant_id and kind = 'message'
order by created_at, subscription_id

-- name: awaited_events
select * from subscription
where tenant_id = :tenant_id and process_instance_id is not null
  and (cast(:process_instance_id as uuid) is null or process_instance_id = cast(:process_instance_id as uuid))
  and (cast(:process_id as text) is null or process_id = cast(:process_id as text))
order by created_at, subscription_id limit :limit

-- name: consume_subscription
delete from subscription where subscription_id = :subscription_id and not is_repeating

-- name: insert_triggers
insert into job
    (job_id, process_instance_id, task_id, element_id, type, input, attempt, max_attempts, tenant_id, payload, status,
     available_at, created_at)
select t.job_id, t.process_instance_id, t.task_id, t.element_id, :type, '{}', 1, :max_attempts, t.tenant_id, t.payload,
       case i.status when 'suspended' then 'suspended' else 'available' end, clock.at, clock.at
from jsonb_to_recordset(cast(:rows as jsonb)) as t (
    job_id uuid, process_instance_id uuid, task_id uuid, element_id text, tenant_id text, payload jsonb)
left join process_instance i using (process_instance_id)
cross join (select engine_now() as at) clock

-- name: trigger_signal
-- Rows are locked in one order, so that two broadcasts cannot wait for each other. Who has waited longest hears it first:
-- the ids of the jobs are in that order, the time and version of one, then a number of six digits, then random digits.
with waiting as materialized (
    select subscription_id, process_instance_id, task_id, element_id, tenant_id, is_repeating from subscription
    where tenant_id = :tenant_id and kind = 'signal' and name = :name
    order by subscription_id for update
),
consumed as (
    delete from subscription s using waiting w where s.subscription_id = w.subscription_id and not w.is_repeating
),
numbered as (
    select *, lpad(to_hex(row_number() over (order by subscription_id)), 6, '0') as number from waiting
)
insert into job
    (job_id, process_instance_id, task_id, element_id, type, input, attempt, max_attempts, tenant_id, payload, status,
     available_at, created_at)
select cast(left(:job_id, 19) || '8' || left(n.number, 3) || '-' || right(n.number, 3)
            || '0' || left(cast(gen_random_uuid() as text), 8) as uuid),
       n.process_instance_id, n.task_id, n.element_id, :type, '{}', 1, :max_attempts, n.tenant_id,
       cast(:payload as jsonb), case i.status when 'suspended' then 'suspended' else 'available' end, clock.at, clock.at
from numbered n
left join process_instance i using (process_instance_id)
cross join (select engine_now() as at) clock

-- name: correlations_of_tasks
-- What closing these tasks can change: what they wait for, and what is on its way to them. The ids of messages are read
-- first: below row-level security an index serves a comparison with a column, not one with a part of a document.
with on_its_way as materialized (
    select cast(payload ->> 'message_id' as uuid) as message_id from job
    where process_instance_id = :process_instance_id and task_id = any(cast(:task_ids as uuid[]))
      and type = :type and payload ->> 'kind' = 'message'
)
select tenant_id, name, correlation_key from subscription
where process_instance_id = :process_instance_id and task_id = any(cast(:task_ids as uuid[])) and kind = 'message'
union
select m.tenant_id, m.name, m.correlation_key from on_its_way join message m using (message_id)

-- name: close_subscriptions
delete from subscription
where process_instance_id = :process_instance_id and task_id = any(cast(:task_ids as uuid[]))

-- name: recall_triggers
delete from job
where process_instance_id = :process_instance_id and task_id = any(cast(:task_ids as uuid[])) and type = :type
  and job_id is distinct from cast(:executing as uuid)
returning cast(payload ->> 'message_id' as uuid) as message_id

-- name: start_subscriptions
-- One start event of each process, even where two would match.
select distinct on (process_id) process_id, process_definition_id, element_id from subscription
where tenant_id is null and process_instance_id is null and kind = :kind and name = :name
order by process_id, element_id

-- name: close_start_subscriptions
delete from subscription where process_instance_id is null and process_id = :process_id
