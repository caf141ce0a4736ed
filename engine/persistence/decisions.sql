-- name: decision_by_digest
select decision_definition_id, decision_id, version, version_tag, name, sha256, canonical_sha256
from decision_definition where decision_id = :decision_id and sha256 = :sha256

-- name: newest_decision
select decision_definition_id, decision_id, version, version_tag, name, sha256, canonical_sha256
from decision_definition where decision_id = :decision_id order by version desc limit 1

-- name: newest_tagged_decision
select decision_definition_id, decision_id, version, version_tag, name, sha256, canonical_sha256
from decision_definition where decision_id = :decision_id and version_tag = :version_tag
order by version desc limit 1

-- name: newest_decision_when_deployed
select decision_definition_id, decision_id, version, version_tag, name, sha256, canonical_sha256
from decision_definition
where decision_id = :decision_id
    and deployed_at <= (select deployed_at from process_definition where process_definition_id = :deployed_id)
order by version desc limit 1

-- name: newest_decisions
select distinct on (decision_id)
    decision_definition_id, decision_id, version, version_tag, name, sha256, canonical_sha256
from decision_definition order by decision_id, version desc

-- name: decision_tags
select decision_id, array_agg(distinct version_tag) as version_tags from decision_definition
where version_tag is not null group by decision_id

-- name: decisions_by_id
select decision_definition_id, decision_id, version, version_tag, name, sha256, canonical_sha256
from decision_definition where decision_definition_id = any(:decision_definition_ids) order by decision_id, version

-- name: decision_xml
select xml from decision_definition where decision_definition_id = :decision_definition_id

-- name: insert_decision
insert into decision_definition
    (decision_definition_id, decision_id, version, version_tag, name, sha256, canonical_sha256, xml, deployed_by,
     deployed_at)
values (:decision_definition_id, :decision_id, :version, :version_tag, :name, :sha256, :canonical_sha256, :xml,
    :deployed_by, :deployed_at)
