/** What a request or its token could say otherwise for the token to cover it. */
import { DETAIL_TYPE } from '../../model/acting.js';
import { refText } from '../../model/ids.js';
import { nearest } from '../../diagnostics/suggest.js';
import { isObject } from '../../policy/schema/types.js';
import { type Established } from '../../decide/bound-question.js';
import { verified } from '../../decide/bound-question.js';
import type { Change } from './change.js';
import type { Judgement } from './judge.js';

export function scopeCandidates({ again }: Judgement): Change[][] {
  return again.decision.remedies.flatMap((remedy) =>
    remedy.type === 'scope' ? [[{ kind: 'token', scopes: remedy.scope.split(' ') }]] : [],
  );
}

export function detailCandidates({ again }: Judgement): Change[][] {
  const { established: e } = again.course;
  const grant = e?.acting.grant;
  if (e === undefined || grant === undefined) return [];
  const { on, question } = e;
  const { access, details = [], purpose } = grant;
  const covering: Change = {
    kind: 'token',
    detail: {
      type: DETAIL_TYPE,
      actions: [on.action.name],
      resources: [refText(question.resource)],
      ...(access === 'background' ? { access } : {}),
    },
  };
  const asking = details.flatMap((detail) => {
    const stated = detail.purpose !== undefined && detail.purpose !== purpose ? [purposeStated(detail.purpose)] : [];
    const changes = [
      ...stated,
      ...Object.entries(detail.constraints ?? {}).flatMap(([name, constraint]) => constrained(name, constraint, e)),
    ];
    return changes.length === 0 ? [] : [changes];
  });
  return [...asking, [covering]];
}

function purposeStated(value: unknown): Change {
  return { kind: 'request', at: ['context', 'purpose'], value };
}

/** The attribute stated as the constraint has it, wherever it counts. */
function constrained(name: string, constraint: unknown, { question }: Established): Change[] {
  const tests = isObject(constraint) ? constraint : { equals: constraint };
  const [one] = [tests['equals'], [tests['one_of']].flat()[0], tests['max'], tests['min'], tests['prefix']].filter(
    (value) => value !== undefined,
  );
  if (one === undefined) return [];
  const places = {
    action: [question.action.properties, ['action', 'properties']],
    context: [question.context, ['context']],
    resource: [question.resource.properties, ['resource', 'properties']],
  } as const;
  const [place = '', ...rest] = name.split('.');
  const at = (of: keyof typeof places, member: string): Change => ({
    kind: 'request',
    at: [...places[of][1], member],
    value: one,
  });
  if (rest.length > 0 && Object.hasOwn(places, place)) return [at(place as keyof typeof places, rest.join('.'))];
  const stating = (Object.keys(places) as (keyof typeof places)[]).filter((of) => Object.hasOwn(places[of][0], name));
  return (stating.length === 0 ? (['action'] as const) : stating).map((of) => at(of, name));
}

export function purposeCandidates({ again, record }: Judgement): Change[][] {
  const purpose = again.course.established?.acting.grant?.purpose;
  const asked = record.facts.said.context?.['purpose'];
  return [
    ...(purpose === undefined ? [] : [[purposeStated(purpose)]]),
    [purposeStated(undefined)],
    ...(typeof asked === 'string' ? [[{ kind: 'token', purpose: asked } as const]] : []),
  ];
}

/** The subject, and what else the request says of who acts, as the token has it. */
export function subjectCandidates({ again, record, rules }: Judgement): Change[][] {
  const token = verified(again.course.opening)?.token;
  const { userObject, agentObject } = rules.vocabulary;
  const { said } = record.facts;
  const gone = (at: readonly string[]): Change => ({ kind: 'request', at });
  const stated = [
    ...(said.agent === undefined ? [] : [gone(['context', 'agent'])]),
    ...(said.mode === undefined ? [] : [gone(['context', 'mode'])]),
    ...(said.act === undefined ? [] : [gone(['subject', 'properties', 'act'])]),
  ];
  const subjects = [
    [userObject, token?.user],
    [agentObject, token?.actors[0]?.id],
  ].flatMap(([type, id]): Change[] =>
    type === undefined || id === undefined ? [] : [{ kind: 'request', at: ['subject'], value: { type, id } }],
  );
  return [
    ...[...stated, ...subjects].map((change) => [change]),
    ...(stated.length > 1 ? [stated] : []),
    ...(stated.length > 0 ? subjects.map((subject) => [...stated, subject]) : []),
  ];
}

export function actionCandidates({ record, rules }: Judgement): Change[][] {
  const { action, resource } = record.request;
  const names = rules.vocabulary.actions
    .filter(({ resourceTypes }) => resourceTypes.some(({ object }) => object === resource.type))
    .map(({ name }) => name);
  const value = nearest(action, names);
  return value === undefined ? [] : [[{ kind: 'request', at: ['action', 'name'], value }]];
}

/** Without what contradicts the token's transaction. */
export function transactionCandidates({ again, record }: Judgement): Change[][] {
  const names = Object.keys(verified(again.course.opening)?.token.transaction ?? {});
  const { said } = record.facts;
  const stated = (place: readonly string[], given: object | undefined): Change[] =>
    names.filter((name) => Object.hasOwn(given ?? {}, name)).map((name) => ({ kind: 'request', at: [...place, name] }));
  const all = [
    ...stated(['context'], said.context),
    ...stated(['action', 'properties'], said.action),
    ...stated(['resource', 'properties'], said.resource),
  ];
  return all.length === 0 ? [] : [all];
}
