/** Proposes changes of the request or its token, so that the token covers the request. */
import { REMIT_DETAIL_TYPE } from '../../model/acting.js';
import { formatRef } from '../../model/ids.js';
import { findNearestWord } from '../../diagnostics/suggest.js';
import { isObject } from '../../policy/schema/types.js';
import { getVerifiedCredential, type BoundQuestion } from '../../decide/bound-question.js';
import type { ProposedChange } from './change.js';
import type { ChangeEvaluation } from './change-evaluator.js';

export function scopeCandidates({ redecision }: ChangeEvaluation): ProposedChange[][] {
  return redecision.decision.remedies.flatMap((remedy) =>
    remedy.type === 'scope' ? [[{ kind: 'token', scopes: remedy.scope.split(' ') }]] : [],
  );
}

export function detailCandidates({ redecision }: ChangeEvaluation): ProposedChange[][] {
  const { bound } = redecision.evaluation;
  const grant = bound?.acting.grant;
  if (bound === undefined || grant === undefined) return [];
  const { target, question } = bound;
  const { access, details = [], purpose } = grant;
  const covering: ProposedChange = {
    kind: 'token',
    detail: {
      type: REMIT_DETAIL_TYPE,
      actions: [target.action.name],
      resources: [formatRef(question.resource)],
      ...(access === 'background' ? { access } : {}),
    },
  };
  const requestOptions = details.flatMap((detail) => {
    const stated = detail.purpose !== undefined && detail.purpose !== purpose ? [statePurpose(detail.purpose)] : [];
    const changes = [
      ...stated,
      ...Object.entries(detail.constraints ?? {}).flatMap(([name, constraint]) =>
        meetConstraint(name, constraint, bound),
      ),
    ];
    return changes.length === 0 ? [] : [changes];
  });
  return [...requestOptions, [covering]];
}

function statePurpose(value: unknown): ProposedChange {
  return { kind: 'request', at: ['context', 'purpose'], value };
}

/** States the attribute as the constraint wants it, in each place where the request has it. */
function meetConstraint(name: string, constraint: unknown, { question }: BoundQuestion): ProposedChange[] {
  const tests = isObject(constraint) ? constraint : { equals: constraint };
  const [constraintValue] = [
    tests['equals'],
    [tests['one_of']].flat()[0],
    tests['max'],
    tests['min'],
    tests['prefix'],
    tests['within'],
  ].filter((value) => value !== undefined);
  if (constraintValue === undefined) return [];
  const places = {
    action: [question.action.properties, ['action', 'properties']],
    context: [question.context, ['context']],
    resource: [question.resource.properties, ['resource', 'properties']],
  } as const;
  const [place = '', ...rest] = name.split('.');
  const stateMember = (part: keyof typeof places, member: string): ProposedChange => ({
    kind: 'request',
    at: [...places[part][1], member],
    value: constraintValue,
  });
  if (rest.length > 0 && Object.hasOwn(places, place))
    return [stateMember(place as keyof typeof places, rest.join('.'))];
  const stating = (Object.keys(places) as (keyof typeof places)[]).filter((part) =>
    Object.hasOwn(places[part][0], name),
  );
  return (stating.length === 0 ? (['action'] as const) : stating).map((part) => stateMember(part, name));
}

export function purposeCandidates({ redecision, record }: ChangeEvaluation): ProposedChange[][] {
  const purpose = redecision.evaluation.bound?.acting.grant?.purpose;
  const statedPurpose = record.facts.said.context?.['purpose'];
  return [
    ...(purpose === undefined ? [] : [[statePurpose(purpose)]]),
    [statePurpose(undefined)],
    ...(typeof statedPurpose === 'string' ? [[{ kind: 'token', purpose: statedPurpose } as const]] : []),
  ];
}

/** Makes the subject, and whatever else the request states about who acts, agree with the token. */
export function subjectCandidates({ redecision, record, rules }: ChangeEvaluation): ProposedChange[][] {
  const token = getVerifiedCredential(redecision.evaluation.unbound)?.token;
  const { userObject, agentObject } = rules.vocabulary;
  const { said: statements } = record.facts;
  const withoutMember = (path: readonly string[]): ProposedChange => ({ kind: 'request', at: path });
  const stated = [
    ...(statements.agent === undefined ? [] : [withoutMember(['context', 'agent'])]),
    ...(statements.mode === undefined ? [] : [withoutMember(['context', 'mode'])]),
    ...(statements.act === undefined ? [] : [withoutMember(['subject', 'properties', 'act'])]),
  ];
  const subjects = [
    [userObject, token?.user],
    [agentObject, token?.actors[0]?.id],
  ].flatMap(([type, id]): ProposedChange[] =>
    type === undefined || id === undefined ? [] : [{ kind: 'request', at: ['subject'], value: { type, id } }],
  );
  return [
    ...[...stated, ...subjects].map((change) => [change]),
    ...(stated.length > 1 ? [stated] : []),
    ...(stated.length > 0 ? subjects.map((subject) => [...stated, subject]) : []),
  ];
}

export function actionCandidates({ record, rules }: ChangeEvaluation): ProposedChange[][] {
  const { action, resource } = record.request;
  const names = rules.vocabulary.actions
    .filter(({ resourceTypes }) => resourceTypes.some(({ object }) => object === resource.type))
    .map(({ name }) => name);
  const value = findNearestWord(action, names);
  return value === undefined ? [] : [[{ kind: 'request', at: ['action', 'name'], value }]];
}

/** Removes what contradicts the token's transaction. */
export function transactionCandidates({ redecision, record }: ChangeEvaluation): ProposedChange[][] {
  const names = Object.keys(getVerifiedCredential(redecision.evaluation.unbound)?.token.transaction ?? {});
  const { said: statements } = record.facts;
  const stated = (place: readonly string[], members: object | undefined): ProposedChange[] =>
    names
      .filter((name) => Object.hasOwn(members ?? {}, name))
      .map((name) => ({ kind: 'request', at: [...place, name] }));
  const removals = [
    ...stated(['context'], statements.context),
    ...stated(['action', 'properties'], statements.action),
    ...stated(['resource', 'properties'], statements.resource),
  ];
  return removals.length === 0 ? [] : [removals];
}
