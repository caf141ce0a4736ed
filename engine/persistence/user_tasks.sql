-- name: insert_user_tasks
-- One statement however many: a multi-instance activity makes a thousand at once.
insert into user_task
    (user_task_id, process_instance_id, process_id, task_id, element_id, name, lane, form_id, candidate_groups,
     candidate_users, assignee, priority, due_at, follow_up_at, excluded_principals, excluded, context, tenant_id)
select
    user_task_id, process_instance_id, process_id, task_id, element_id, name, lane, form_id, candidate_groups,
    candidate_users, assignee, priority, due_at, follow_up_at, excluded_principals, excluded, context, tenant_id
from jsonb_to_recordset(cast(:rows as jsonb)) as row (
    user_task_id uuid, process_instance_id uuid, process_id text, task_id uuid, element_id text, name text, lane text,
    form_id text, candidate_groups jsonb, candidate_users jsonb, assignee text, priority integer, due_at timestamptz,
    follow_up_at timestamptz, excluded_principals jsonb, excluded jsonb, context jsonb, tenant_id text
)

-- name: inbox_page
-- The page is cut first, by a function of the database: for the tenant that the transaction has entered. Only then is
-- each of its rows asked what is around it.
with page as materialized (
    select * from inbox_page(
        cast(:user_id as text), cast(:groups as text[]), :shows_own, :shows_unclaimed, :shows_claimed,
        cast(:due_before as timestamptz), cast(:process_id as text), cast(:after_rank as integer),
        cast(:after_id as uuid), cast(:limit as bigint))
    where tenant_id = :tenant_id
)
select page.*, i.business_key, i.status as instance_status,
    (select count(*) from user_task_comment c where c.user_task_id = page.user_task_id) as comments,
    (select done.element_id from user_task done
     where done.process_instance_id = page.process_instance_id and done.status = 'completed'
       and done.completed_by = :user_id and page.excluded ? done.element_id
     limit 1) as performed
from page join process_instance i using (process_instance_id)
order by -page.priority, page.user_task_id

-- name: user_task_for_person
select t.*, i.business_key, i.status as instance_status,
    (select count(*) from user_task_comment c where c.user_task_id = t.user_task_id) as comments,
    (select done.element_id from user_task done
     where done.process_instance_id = t.process_instance_id and done.status = 'completed'
       and done.completed_by = :user_id and t.excluded ? done.element_id
     limit 1) as performed
from user_task t join process_instance i using (process_instance_id)
where t.user_task_id = :user_task_id and t.tenant_id = :tenant_id

-- name: user_tasks_of_instance
select * from user_task where process_instance_id = :process_instance_id order by user_task_id

-- name: instance_of_user_task
select process_instance_id from user_task where user_task_id = :user_task_id and tenant_id = :tenant_id

-- name: lock_user_task
select * from user_task where user_task_id = :user_task_id and tenant_id = :tenant_id for update

-- name: performed_user_task
-- A statement of its own, run after the lock: it sees what others committed while the lock was waited for.
select element_id from user_task
where process_instance_id = :process_instance_id and status = 'completed' and completed_by = :user_id
  and element_id = any(:element_ids)
limit 1

-- name: assign_user_task
update user_task set assignee = :assignee, delegated_by = :delegated_by where user_task_id = :user_task_id

-- name: save_user_task_draft
update user_task set draft = cast(:draft as jsonb) where user_task_id = :user_task_id

-- name: complete_user_task
update user_task
set status = 'completed', submission = cast(:submission as jsonb), completed_by = :completed_by,
    completed_at = engine_now(), draft = null
where user_task_id = :user_task_id

-- name: cancel_user_tasks
-- By instance, for which there is an index; task ids are looked for in that handful of rows.
update user_task set status = 'cancelled', completed_at = engine_now(), draft = null
where process_instance_id = :process_instance_id and status = 'open' and task_id = any(:task_ids)

-- name: insert_comment
insert into user_task_comment (comment_id, user_task_id, author, content)
values (:comment_id, :user_task_id, :author, :content)

-- name: comments_of_user_task
select comment_id, author, content, created_at from user_task_comment
where user_task_id = :user_task_id order by created_at, comment_id
