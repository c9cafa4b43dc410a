/**
 * A program that asks the service by the types that `openapi-typescript` makes of its document. The test compiles it, strictly and
 * without a cast, and then runs it.
 */
import createClient from 'openapi-fetch';
import type { components, paths } from 'service-api';

type Parts = components['schemas'];

export interface ServiceAccess {
  readonly url: string;
  readonly key: string;
  readonly agentToken: string;
  readonly coderToken: string;
  readonly userToken: string;
}

/** Reads every kind of obligation: the type of each tells its properties. */
function describeObligation(obligation: Parts['Obligation']): string {
  switch (obligation.type) {
    case 'mask':
      return [obligation.type, ...obligation.properties.fields, obligation.properties.modes?.['salary']].join(' ');
    case 'visible_fields':
      return [obligation.type, ...obligation.properties.fields].join(' ');
    case 'notification':
      return [obligation.type, ...obligation.properties.to, obligation.properties.topic].join(' ');
    default:
      return obligation satisfies never;
  }
}

function describeRemedy(remedy: Parts['Remedy']): string {
  switch (remedy.type) {
    case 'approval':
      return `${remedy.type} ${remedy.permission}`;
    case 'step_up':
      return `${remedy.type} ${remedy.acr}`;
    case 'scope':
      return `${remedy.type} ${remedy.scope} ${remedy.challenge}`;
    case 'token':
      return `${remedy.type} ${remedy.challenge}`;
    case 'time':
      return `${remedy.type} ${remedy.not_before}`;
    case 'limit':
      return `${remedy.type} ${remedy.resets_at} ${describeQuantity(remedy.remaining)}`;
    case 'delegation':
      return `${remedy.type} ${remedy.delegate_url}`;
    case 'consent':
      return remedy.type;
    default:
      return remedy satisfies never;
  }
}

/** The agent of a request, and the one before it. */
export const actor = { id: 'code-bot', act: { id: 'earlier' } } satisfies Parts['Actor'];

function describeQuantity(quantity: Parts['Reason']['remaining']): string {
  return typeof quantity === 'object' ? `${quantity.value} ${quantity.unit}` : String(quantity);
}

/** A record that is read without values has commitments in the places of texts. */
function describeReason(reason: Parts['Reason'] | Parts['RecordedReason']): string {
  const { code, step, remaining } = reason;
  const message = typeof reason.message === 'string' ? reason.message : '';
  const missing = Array.isArray(reason.missing) ? reason.missing : [];
  const expected: 'scope_insufficient' = 'scope_insufficient';
  const paths: string[] = missing.map(({ path, entity }) => `${entity?.type ?? ''} ${path}`);
  return [code === expected ? 'scope' : code, step ?? '', message, ...paths, describeQuantity(remaining)].join(' ');
}

function describeRationale({ acting, steps, ignored }: Parts['Rationale'] | Parts['RecordedRationale']): string {
  const outcomes = steps.map(({ step, outcome }) => `${step}: ${outcome}`);
  const members = Array.isArray(ignored?.members) ? ignored.members : [];
  const paths = members.map(({ path, cause }) => `${path} ${cause}`);
  return [acting?.mode, acting?.user, ...(acting?.chain ?? []), ...outcomes, ...paths].join(', ');
}

function describeContext({ reasons, remedies, reason_user, challenge }: Parts['ListContext']): string[] {
  return [...reasons.map(describeReason), ...remedies.map(describeRemedy), reason_user['403'] ?? '', challenge ?? ''];
}

const question = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' } };
const resource = { type: 'employee', id: 'erin' };

/** @returns what was read, by the operation */
export async function askByTypes(access: ServiceAccess): Promise<Record<string, readonly string[]>> {
  const bearer = (token: string) => ({ baseUrl: access.url, headers: { authorization: `Bearer ${token}` } });
  const client = createClient<paths>(bearer(access.key));
  const user = createClient<paths>(bearer(access.userToken));
  const context = { token: access.agentToken, supported_obligations: ['mask', 'notification'] };
  const results: Record<string, readonly string[]> = {};

  const evaluation = await client.POST('/access/v1/evaluation', {
    body: { ...question, resource, context },
    params: { header: { 'Idempotency-Key': crypto.randomUUID() } },
  });
  if (evaluation.data === undefined) throw new Error(`status ${evaluation.response.status}`);
  const { decision, context: answered } = evaluation.data;
  results['evaluation'] = [
    String(decision satisfies boolean),
    ...(answered?.obligations ?? []).map(describeObligation),
    ...(answered?.rationale === undefined ? [] : [describeRationale(answered.rationale)]),
  ];

  const batch = await client.POST('/access/v1/evaluations', {
    body: { ...question, context, evaluations: [{ resource }, { action: { name: 'delete' }, resource }] },
  });
  if (batch.data === undefined || !('evaluations' in batch.data)) throw new Error(`status ${batch.response.status}`);
  results['evaluations'] = batch.data.evaluations.flatMap((item) => [
    String(item.decision),
    ...(item.context?.reasons ?? []).map(describeReason),
    ...(item.context?.remedies ?? []).map(describeRemedy),
  ]);

  const search = await client.POST('/access/v1/search/resource', {
    body: { ...question, resource: { type: 'employee' }, context, page: { limit: 2 } },
  });
  if (search.data === undefined) throw new Error(search.error.error.message);
  results['search'] = [
    ...search.data.results.map(({ type, id }) => `${type} ${id}`),
    ...(search.data.context === undefined ? [] : describeContext(search.data.context)),
    search.data.page?.next_token === '' ? 'last' : 'more',
  ];
  const subjects = await client.POST('/access/v1/search/subject', {
    body: { ...question, subject: { type: 'user' }, resource, context: { mode: 'human' } },
  });
  results['subjects'] = subjects.data?.results.map(({ id }) => id) ?? [];
  const actions = await client.POST('/access/v1/search/action', {
    body: { subject: question.subject, resource, context },
  });
  results['actions'] = actions.data?.results.map(({ name }) => name) ?? [];

  const filter = await client.POST('/v1/filter', {
    body: {
      ...question,
      context,
      records: [
        { ...resource, properties: { name: 'Erin', salary: 1 } },
        { type: 'employee', id: 'a\nb' },
      ],
    },
    headers: { 'content-type': 'application/json' },
  });
  if (filter.data === undefined || typeof filter.data === 'string') throw new Error('no list');
  results['filter'] = [
    ...filter.data.records.map(({ id, properties }) => `${id} ${Object.keys(properties).join(' ')}`),
    ...(filter.data.invalid ?? []).map(({ index, code, at }) => `${index} ${code} ${at}`),
    ...Object.entries(filter.data.removed).map(([code, count]) => `${code} ${count.toFixed()}`),
  ];

  const capabilities = await client.POST('/v1/capabilities', { body: { context: { token: access.agentToken } } });
  results['capabilities'] = (capabilities.data?.capabilities ?? []).flatMap((entry) =>
    entry.actions.map(({ name, status, remedies }) =>
      [entry.resource_type, name, status satisfies 'allowed' | 'depends' | 'remediable', ...remedies.map(describeRemedy)].join(' '),
    ),
  ); // prettier-ignore

  const merge = {
    subject: { type: 'user', id: 'carol' },
    action: { name: 'merge', properties: { branch: 'main' } },
    resource: { type: 'repository', id: 'payments-api' },
  };
  const denied = await client.POST('/access/v1/evaluation', {
    body: { ...merge, context: { ...context, token: access.coderToken } },
  });
  const { id = '', access_request: offer } = denied.data?.context ?? {};
  const requested = await client.POST('/access/v1/requests', {
    body: {
      ...merge,
      denial: { evaluation_id: id, binding_token: offer?.binding_token ?? '', expires_at: offer?.expires_at ?? '' },
    },
  });
  const task = requested.data?.task;
  results['access request'] = [
    task?.status ?? JSON.stringify(requested.error),
    task?.display?.title ?? '',
    ...Object.keys(task?.links ?? {}),
  ];
  const cancelled = await client.POST('/access/v1/requests/{id}/cancel', { params: { path: { id: task?.id ?? '' } } });
  results['cancelled'] = [cancelled.data?.task.status ?? ''];

  const consents = await user.GET('/v1/consents');
  results['consents'] = (consents.data?.consents ?? []).flatMap(({ id: consent, details, limits, when, state }) => [
    consent,
    state,
    ...details.flatMap(({ type, actions: named = [] }) => [type, ...named]),
    ...limits.map(({ count, amount, per }) => `${count ?? amount?.value ?? 0} ${per}`),
    ...Object.entries(when ?? {}).map(([name, value]) => `${name} ${String(value satisfies string | number | boolean)}`),
  ]); // prettier-ignore
  const preview = await user.POST('/v1/consents', {
    params: { query: { preview: 'true' } },
    body: {
      agent: 'code-bot',
      details: [{ type: 'remit', actions: ['merge'], resources: ['repository:payments-api'] }],
      limits: [{ count: 1, amount: { value: 1, unit: 'EUR' }, per: 'P1D' }],
      until_ended: true,
    },
  });
  results['consent'] = [preview.response.status.toFixed(), preview.error?.error.message ?? ''];

  const outcome = await client.POST('/v1/decisions/{id}/outcome', {
    params: { path: { id: answered?.id ?? '' } },
    body: { outcome: 'executed', detail: 'sent', actual: { amount: { value: 1, unit: 'EUR' } } },
  });
  results['outcome'] = [outcome.data?.outcome ?? outcome.error?.error.message ?? ''];
  const record = await client.GET('/v1/decisions/{id}', {
    params: { path: { id: answered?.id ?? '' }, query: { values: 'true' } },
  });
  // People are shown less of a record than clients.
  const shown = record.data !== undefined && 'client' in record.data ? record.data : undefined;
  results['record'] = [
    shown?.client ?? '',
    shown?.request.resource?.id ?? '',
    ...(shown?.reasons ?? []).map(describeReason),
    ...(shown?.rationale === undefined ? [] : [describeRationale(shown.rationale)]),
  ];
  return results;
}
