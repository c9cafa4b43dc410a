/**
 * Records as events of OCSF 1.9.0: API Activity, with the profiles for AI agents and for the integrity of the event. What the
 * schema has no member for is in `unmapped`.
 */
import { isChangeKind } from '../../model/changes.js';
import { parseDescribedRef } from '../../model/ids.js';
import { formatCanonicalJson } from '../../runtime/canonical-json.js';
import { sha256 } from '../../runtime/sha256.js';
import type { ExportedRecord, ExportOrigin } from './exported-record.js';
import { isDecisionKind, isMemberMap, readNamedMember, toShownMembers, type ShownMembers } from './shown-record.js';

const OCSF_VERSION = '1.9.0';
/** API Activity, of the category Application Activity. */
const [CATEGORY_UID, CLASS_UID] = [6, 6003];
/** A list reads; a decision is about an action of the deployment's own, which the schema has no number for. */
const [READ_ACTIVITY, OTHER_ACTIVITY] = [2, 99];
const INFORMATIONAL = 1;
const STATUS = { success: 1, failure: 2, other: 99 } as const;
const [SHA_256, HEX] = [3, 1];
const UNKNOWN_AGENT_TYPE = 0;

type OcsfEvent = Readonly<Record<string, unknown>>;

/** @param version of this installation */
export function toOcsfEvent(
  { index, leafHash, record }: ExportedRecord,
  { log }: ExportOrigin,
  version: string,
): OcsfEvent {
  const { id, kind, at, about, keys } = record;
  const shown = toShownMembers(record);
  const { request } = shown;
  const operation = isDecisionKind(kind)
    ? readActionName(readNamedMember(request, 'action'))
    : describeChangeName(kind, shown);
  const isList = typeof shown['search'] === 'string';
  const activity = isList ? READ_ACTIVITY : OTHER_ACTIVITY;
  // What a person changes, no client did.
  const client = typeof keys['client'] === 'string' && keys['client'] !== '' ? keys['client'] : 'unknown';
  return withFingerprint(
    {
      category_uid: CATEGORY_UID,
      category_name: 'Application Activity',
      class_uid: CLASS_UID,
      class_name: 'API Activity',
      activity_id: activity,
      activity_name: isList ? 'Read' : (operation ?? kind),
      type_uid: CLASS_UID * 100 + activity,
      time: Date.parse(at),
      severity_id: INFORMATIONAL,
      ...describeStatus(kind, shown),
      metadata: {
        version: OCSF_VERSION,
        product: { name: 'Remit', vendor_name: 'Remit', version },
        profiles: ['ai_operation', 'record_integrity'],
        uid: id,
        event_code: kind,
        log_name: log,
        sequence: index,
        original_time: at,
        ...(about === undefined ? {} : { correlation_uid: about }),
      },
      api: { operation: operation ?? kind, service: { name: 'Remit' } },
      src_endpoint: { svc_name: client },
      ...describeParties(shown, client),
      ...listResources(shown),
      unmapped: { kind, leaf_hash: leafHash, ...pickUnmapped(shown) },
    },
    log,
  );
}

/** A change is named by its kind and verb: `delegation.given`. */
function describeChangeName(kind: string, { change }: ShownMembers): string | undefined {
  return isChangeKind(kind) && typeof change === 'string' ? `${kind}.${change}` : undefined;
}

function describeStatus(kind: string, shown: ShownMembers): object {
  if (isDecisionKind(kind)) {
    const [reason] = listMembers(shown['reasons']);
    const status = shown['decision'] === true ? 'Success' : 'Failure';
    return {
      status_id: shown['decision'] === true ? STATUS.success : STATUS.failure,
      status,
      ...(typeof reason?.['code'] === 'string' ? { status_detail: reason['code'] } : {}),
    };
  }
  switch (shown['outcome']) {
    case 'executed':
      return { status_id: STATUS.success, status: 'Success' };
    case 'failed':
      return { status_id: STATUS.failure, status: 'Failure' };
    case 'abandoned':
      return { status_id: STATUS.other, status: 'abandoned' };
    default:
      return {};
  }
}

/** The agent, and the actor: the client that asked, the user that it was for, and by which policies it was decided. */
function describeParties(shown: ShownMembers, client: string): object {
  const acting = findActing(shown);
  const stated = readNamedMember(shown['token'], 'session');
  const session = typeof stated === 'string' ? stated : undefined;
  const [user, agent] = [readNamedMember(acting, 'user'), readNamedMember(acting, 'agent')].map(readPartyId);
  const authorizations = describeAuthorizations(shown);
  return {
    actor: {
      app_uid: client,
      ...(user === undefined ? {} : { user: { uid: user } }),
      ...(session === undefined ? {} : { session: { uid: session } }),
      ...(authorizations.length === 0 ? {} : { authorizations }),
    },
    ...(agent === undefined
      ? {}
      : {
          ai_agent: {
            uid: agent,
            name: agent,
            type_id: UNKNOWN_AGENT_TYPE,
            ...(session === undefined ? {} : { instance_uid: session }),
          },
        }),
  };
}

function describeAuthorizations(shown: ShownMembers): object[] {
  if (typeof shown['decision'] !== 'boolean') return [];
  const decision = shown['decision'] ? 'allowed' : 'denied';
  const { rationale, policy_version: version } = shown;
  const steps = listMembers(readNamedMember(rationale, 'steps'));
  const evidence = steps.find(({ step }) => step === 'policy')?.['evidence'];
  const cited = listMembers(readNamedMember(evidence, shown['decision'] ? 'permitted_by' : 'forbidden_by'));
  const policies = cited.map(({ id, title }) => ({
    uid: id,
    ...(typeof title === 'string' ? { name: title } : {}),
    ...(typeof version === 'string' ? { version } : {}),
    is_applied: true,
  }));
  return policies.length === 0 ? [{ decision }] : policies.map((policy) => ({ decision, policy }));
}

/** The thing that was asked about, and what a list returned. */
function listResources({ request, items }: ShownMembers): object {
  const resource = readNamedMember(request, 'resource');
  const things = [...(isMemberMap(resource) ? [resource] : []), ...listMembers(items)];
  const resources = things.flatMap(({ type, id }) =>
    typeof type === 'string' ? [{ type, ...(typeof id === 'string' ? { uid: id } : {}) }] : [],
  );
  return resources.length === 0 ? {} : { resources };
}

function pickUnmapped({
  dry_run: dryRun,
  search,
  left_out: leftOut,
  request,
  exceeds_reservation: exceeds,
  object,
  user,
  before,
  after,
  terms,
}: ShownMembers): object {
  const members = {
    dry_run: dryRun,
    search,
    left_out: leftOut,
    task: readNamedMember(request, 'task'),
    exceeds_reservation: exceeds,
    object,
    user,
    before,
    after,
    terms,
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/**
 * The fingerprint is over the event's canonical JSON, with the attestation in it and without the fingerprint. It shows damage
 * on the way; that the log has the record, the log's own proof shows.
 */
function withFingerprint(event: OcsfEvent, log: string): OcsfEvent {
  const attested = { ...event, attestation_list: [{ chain_uid: log }] };
  const value = sha256(formatCanonicalJson(attested));
  const fingerprint = { algorithm: 'SHA-256', algorithm_id: SHA_256, encoding: 'Hex', encoding_id: HEX, value };
  return { ...event, attestation_list: [{ chain_uid: log, fingerprint }] };
}

/** The user and the agent: of a change the person that made it, and the agent that it is about. */
function findActing({ rationale, acting, by, agent }: ShownMembers): unknown {
  if (isMemberMap(by)) return { user: by['user'], agent: by['agent'] ?? agent };
  return isMemberMap(rationale) ? rationale['acting'] : acting;
}

/** An action's name: a decision has it as a text, a list as `{name}`. */
function readActionName(action: unknown): string | undefined {
  const name = isMemberMap(action) ? action['name'] : action;
  return typeof name === 'string' ? name : undefined;
}

/** @param party `user:…`, or `{type, id}` as records of changes have it */
function readPartyId(party: unknown): string | undefined {
  const id = typeof party === 'string' ? parseDescribedRef(party)?.id : readNamedMember(party, 'id');
  return typeof id === 'string' ? id : undefined;
}

function listMembers(list: unknown): ShownMembers[] {
  return Array.isArray(list) ? list.filter(isMemberMap) : [];
}
