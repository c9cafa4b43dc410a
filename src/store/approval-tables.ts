/**
 * The tables of approvals: a row for each task, from what was asked to what became of it, and the functions that use an
 * approval up in the transaction of a record.
 *
 * What changes several tasks locks them in the order of their ids, after keys and counters of limits (limit-tables.ts), so
 * that transactions wait for each other, and never in a circle.
 */

/**
 * Uses an approval for a decision, or says why it can't be used: then the decision must not be recorded as an allow. What an attempt
 * used that has failed (`p_released`) serves the next one with its key, and no other decision (retry_state in limit-tables.ts). A use is told of
 * once. An approval until an end is used without bound, and the events of all are bounded in number: its use is told of once in an
 * hour, so that one caller can't push out what others have not read yet.
 */
const USE_APPROVAL = `create or replace function use_approval(p_id uuid, p_decision uuid, p_at timestamptz, p_released uuid default null) returns text language plpgsql as $$
   declare v_task approval_tasks%rowtype;
   begin
     select * into v_task from approval_tasks t where t.id = p_id for update;
     if not found then return 'unknown'; end if;
     if v_task.state <> 'approved' then return v_task.state; end if;
     if v_task.approved_until <= p_at then return 'expired'; end if;
     if v_task.grant_state not in ('none', 'written') then return 'ungranted'; end if;
     if v_task.scope = 'once' then
       -- A retry of the decision uses nothing more.
       if v_task.used_by = p_decision then return null; end if;
       if v_task.used_by <> coalesce(p_released, p_decision) then return 'used'; end if;
       update approval_tasks t set used_by = p_decision, used_at = p_at where t.id = p_id;
     elsif exists (select from events e where e.event = 'approval.used' and e.ids->>'approval' = p_id::text
         and e.at > p_at - interval '1 hour') then
       return null;
     end if;
     -- A retry is told of as the decision whose use it is.
     if exists (select from events e where e.event = 'approval.used'
         and e.ids->>'decision' = p_decision::text) then
       return null;
     end if;
     insert into events (event, at, ids, user_type, user_id) values (
       'approval.used', p_at, jsonb_build_object('approval', p_id, 'decision', p_decision),
       nullif(v_task.user_type, ''), nullif(v_task.user_id, ''));
     return null;
   end $$`;

export const APPROVAL_TABLES = [
  // Type and id of a party are empty where there is none. `task` is what was asked, which never changes. `grant_state` says of
  // the relationship that an elevation gives whether there is none, or it is wanted, written, deleting or deleted.
  `create table approval_tasks (
     id uuid primary key, requester text not null,
     user_type text not null, user_id text not null, agent_type text not null, agent_id text not null,
     binding_sha256 text not null, asked_sha256 text not null, task jsonb not null,
     state text not null, answers jsonb not null default '[]', denied jsonb, scope text not null default 'once',
     asked timestamptz not null, expires timestamptz not null, decided timestamptz, approved_until timestamptz,
     used_by uuid, used_at timestamptz, grant_state text not null default 'none', kept_until timestamptz not null)`,
  `create unique index approval_tasks_open on approval_tasks (asked_sha256) where state = 'pending'`,
  `create index approval_tasks_of_pair on approval_tasks (user_type, user_id, agent_type, agent_id, state)`,
  `create index approval_tasks_waiting on approval_tasks (asked) where state = 'pending'`,
  `create index approval_tasks_denied on approval_tasks (binding_sha256, decided) where state = 'denied'`,
  `create index approval_tasks_used on approval_tasks (used_by) where used_by is not null`,
  `create index approval_tasks_grants on approval_tasks (id) where grant_state in ('wanted', 'written')`,
  `create index approval_tasks_kept on approval_tasks (kept_until)`,
  `create index approval_tasks_answered on approval_tasks using gin (answers jsonb_path_ops)`,
  // An access request for several questions at once: an item for each, with its task.
  `create table access_request_bundles (
     id uuid primary key, requester text not null, user_id text not null, items jsonb not null, kept_until timestamptz not null)`,
  `create index access_request_bundles_of_requester on access_request_bundles (requester, user_id)`,
  `create index access_request_bundles_kept on access_request_bundles (kept_until)`,
  // The task that an access request opened, by its key: the same request again is the same task.
  `create table access_request_keys (
     requester text not null, key text not null, body_sha256 text not null,
     task uuid references approval_tasks on delete cascade, bundle uuid references access_request_bundles on delete cascade,
     primary key (requester, key))`,
  `create index access_request_keys_task on access_request_keys (task)`,
  `create index access_request_keys_bundle on access_request_keys (bundle)`,

  `create function lock_approvals(p_ids uuid[]) returns void language plpgsql as $$
   begin
     perform 1 from approval_tasks t where t.id = any (p_ids) order by t.id for update;
   end $$`,

  USE_APPROVAL,

  // Gives back the approvals of decisions that were not answered.
  `create function release_approvals(p_decisions uuid[]) returns void language plpgsql as $$
   begin
     perform 1 from approval_tasks t where t.used_by = any (p_decisions) order by t.id for update;
     update approval_tasks set used_by = null, used_at = null where used_by = any (p_decisions);
   end $$`,
] as const;

/** Tables of before have an older function, which told of each use. */
export const SPARING_FUNCTIONS = [
  `create index events_of_used_approvals on events ((ids->>'approval')) where event = 'approval.used'`,
  USE_APPROVAL,
] as const;

/** Tables of before have a function that knows of no attempt that failed: two of one name would be called by chance. */
export const RETRIED_APPROVALS = [
  `drop function if exists use_approval(uuid, uuid, timestamptz)`,
  USE_APPROVAL,
] as const;

/**
 * Nothing reads this column, and this version writes it no more. Replicas of before write it while they are replaced, so it goes
 * in the next version.
 */
export const SPARED_COLUMN = [`alter table approval_tasks alter column binding_sha256 drop not null`] as const;
