-- name: performed_operation
select kind, subject, request_sha256, result from operation
where tenant_id = :tenant_id and idempotency_key = :idempotency_key

-- name: insert_operation
insert into operation (tenant_id, idempotency_key, kind, subject, request_sha256, result, performed_by)
values (:tenant_id, :idempotency_key, :kind, :subject, :request_sha256, cast(:result as jsonb), :performed_by)

-- name: mark_suspended
update process_instance set suspended_at = case when :is_suspended then engine_now() end
where process_instance_id = :process_instance_id
