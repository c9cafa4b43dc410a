/**
 * Step 2: do the request's subject and agent agree with the token's, and can this question be asked at all?
 * A token of one user or agent presented with a request about another is the confused deputy.
 */
import { isDeepStrictEqual } from 'node:util';
import { checkCounted } from '../../govern/history/queries.js';
import { didYouMean } from '../../diagnostics/suggest.js';
import { cedarPrincipal, type ActingParties, type Grant } from '../../model/acting.js';
import type { Credential } from '../../model/credential.js';
import { BadRequest } from '../../model/faults.js';
import { describeRef, isSameRef, type EntityRef } from '../../model/ids.js';
import { deny, pass, type StepOutcome } from '../../model/outcome.js';
import type { Properties, Question } from '../../model/question.js';
import { reason, type Reason, type ReasonCodeOf } from '../../model/reasons.js';
import { checkProperties } from '../../policy/check-properties.js';
import { InvalidValueError } from '../../policy/schema/types.js';
import { getVerifiedCredential, type BoundQuestion, type UnboundQuestion } from '../bound-question.js';
import { memoizeByObject } from '../../runtime/memoize.js';
import { checkCaveatContext } from '../permission-checks.js';
import type { OpeningStep } from '../step.js';
import { findUnprovenStatements, omitStatements } from '../unproven-statements.js';

export const bindingStep: OpeningStep = {
  step: 'binding',
  judge: (unbound) => {
    const binding = bindQuestion(unbound);
    return 'denied' in binding
      ? binding.denied
      : { ...pass({ subject: describeRef(unbound.question.subject) }), bound: binding };
  },
};

/**
 * Binds the question to the parties that act, the action of the schema and its principal's type. The token step must
 * have passed.
 * @throws BadRequest where a property of the request has a wrong type
 */
function bindQuestion(unbound: UnboundQuestion): BoundQuestion | { readonly denied: StepOutcome } {
  const { rules, now } = unbound;
  let { question } = unbound;
  const target = rules.vocabulary.find(question.action.name, question.resource.type);
  if (target === undefined) return denied('action_unknown', unknownActionMessage(unbound));
  if (question.caller.kind === 'client' && question.caller.client.resources?.has(question.resource.type) === false)
    return denied('resource_type_forbidden');
  const acting = resolveActingParties(unbound);
  if ('code' in acting) return { denied: deny(acting) };
  const principal = cedarPrincipal(acting);
  const principalType = target.action.principalTypes.find((type) => type.object === principal.type);
  if (principalType === undefined)
    return denied(
      'subject_type_unknown',
      `"${principal.type}" is no principal of "${target.action.name}" on "${question.resource.type}".`,
    );
  if (question.caller.kind === 'agent') {
    const statements = findUnprovenStatements(question, target, rules, acting.grant?.details);
    if (statements.length > 0) return denied('attributes_unproven', unprovenMessage(statements));
    question = omitStatements(question);
  }
  const transaction = getTransaction(unbound);
  const contradiction = findTransactionContradiction(unbound, transaction);
  if (contradiction !== undefined) return denied('transaction_mismatch', contradiction);
  const bound = {
    question: withTransaction(question, transaction),
    rules,
    now,
    acting,
    target,
    principalType,
  };
  try {
    checkRequestTypes(bound);
    checkCaveatContext(bound);
    checkCounted(bound, rules.vocabulary);
  } catch (error) {
    if (!(error instanceof InvalidValueError || error instanceof BadRequest)) throw error;
    const path = error instanceof BadRequest ? error.at : error.path;
    const member = /^context\.([^.[]+)/.exec(path)?.[1];
    if (member !== undefined && Object.hasOwn(transaction, member))
      return denied('transaction_mismatch', `In the token's "tctx", ${member} ${error.message}.`);
    throw new BadRequest(error.message, path);
  }
  return bound;
}

/** The token's transaction is signed, so its members count as stated whether or not the client repeats them. */
function withTransaction(question: Question, transaction: Properties): Question {
  return Object.keys(transaction).length === 0
    ? question
    : { ...question, context: { ...question.context, ...transaction } };
}

function unknownActionMessage({ question: { action, resource }, rules }: UnboundQuestion): string {
  const { actions } = rules.vocabulary;
  const types = new Set(actions.flatMap(({ resourceTypes }) => resourceTypes.map(({ object }) => object)));
  if (!types.has(resource.type))
    return `No action applies to a resource of type "${resource.type}"${didYouMean(resource.type, types)}.`;
  const names = actions
    .filter(({ resourceTypes }) => resourceTypes.some(({ object }) => object === resource.type))
    .map(({ name }) => name);
  return `No action "${action.name}" applies to "${resource.type}"${didYouMean(action.name, names)}.`;
}

function unprovenMessage(statements: readonly string[]): string {
  return `An agent's own question can not state ${statements.join(', ')}: leave it out, or let the API ask with the agent's token.`;
}

/** The claim `tctx`, which only a transaction token has. */
function getTransaction(unbound: UnboundQuestion): Properties {
  return getVerifiedCredential(unbound)?.token.transaction ?? {};
}

/** A sentence that names the first member of the request that has another value in the token's transaction. */
function findTransactionContradiction({ question }: UnboundQuestion, transaction: Properties): string | undefined {
  if (Object.keys(transaction).length === 0) return undefined;
  const statements = {
    context: question.context,
    action: question.action.properties,
    resource: question.resource.properties,
  };
  for (const [place, properties] of Object.entries(statements)) {
    const member = Object.keys(transaction).find(
      (name) => Object.hasOwn(properties, name) && !isDeepStrictEqual(properties[name], transaction[name]),
    );
    if (member !== undefined) return `The request's ${place} states another ${member} than the token.`;
  }
  return undefined;
}

function denied(code: ReasonCodeOf<'binding'>, message?: string): { denied: StepOutcome } {
  return { denied: deny(reason('binding', code, message)) };
}

/** The parties that the token names, or that the client vouches for; a reason where the request contradicts them. */
function resolveActingParties(unbound: UnboundQuestion): ActingParties | Reason {
  const credential = getVerifiedCredential(unbound);
  return credential === undefined ? resolveVouchedParties(unbound) : resolveTokenParties(unbound, credential);
}

function resolveTokenParties(
  { question, rules }: UnboundQuestion,
  credential: Extract<Credential, { ok: true }>,
): ActingParties | Reason {
  const { subject, statedAgent, statedMode, assertedAgent, assertedChain = [] } = question;
  const { userObject, agentObject } = rules.vocabulary;
  const { token } = credential;
  const [current, ...history] = token.actors;
  if (agentObject === undefined || (token.user !== undefined && userObject === undefined))
    return reason('binding', 'subject_type_unknown');
  // The token step passes no token that names no agent: this one must not get any further.
  if (current === undefined || token.mode === 'unknown') throw new TypeError('The verified token names no agent.');
  const agent = { type: agentObject, id: current.id };
  const user = token.user === undefined || userObject === undefined ? undefined : { type: userObject, id: token.user };
  const namesParty = isSameRef(subject, agent) || (user !== undefined && isSameRef(subject, user));
  // APIs often know an agent by the client that its token was issued to.
  const isStatedAgent = statedAgent === undefined || [agent.id, token.clientId].includes(statedAgent);
  const isAssertedAgent = assertedAgent === undefined || assertedAgent === agent.id;
  const agrees = isStatedAgent && isAssertedAgent && assertedChain.every((id, i) => id === history[i]?.id);
  if (!namesParty || !agrees || statedMode !== undefined)
    return reason('binding', 'subject_mismatch', contradictionMessage(question, user, agent));
  const chain = history.map(({ id }) => ({ type: agentObject, id }));
  const grant = toGrant(credential);
  if (token.mode === 'direct') return { mode: 'direct', agent, chain, grant };
  if (user === undefined) throw new TypeError('The verified token is delegated and names no user.');
  return { mode: 'delegated', user, agent, chain, grant };
}

/** Names what the request states and what the token says: the client has both, so it learns nothing new. */
function contradictionMessage(
  { subject, statedAgent, assertedAgent, statedMode }: Question,
  user: EntityRef | undefined,
  agent: EntityRef,
): string {
  const parties = user === undefined ? describeRef(agent) : `${describeRef(user)} and ${describeRef(agent)}`;
  const stated = [
    `the subject ${describeRef(subject)}`,
    ...[statedAgent, assertedAgent].flatMap((id) => (id === undefined ? [] : [`the agent ${id}`])),
    ...(statedMode === undefined ? [] : [`the mode ${statedMode}`]),
  ];
  return `The token is for ${parties}; the request states ${stated.join(', ')}.`;
}

/** The token as a grant, which is the same for all questions of a list. */
export const toGrant = memoizeByObject(
  ({ token, accepted, sessionEnded }: Extract<Credential, { ok: true }>): Grant => ({
    issuer: token.issuer,
    format: token.format,
    scopes: token.scopes,
    details: token.authorizationDetails,
    ...accepted,
    access: token.access,
    purpose: token.purpose,
    claims: token.claims,
    session: token.session,
    sessionEnded,
    txn: token.txn,
    clientId: token.clientId,
    jti: token.jti,
    profile: token.actors[0]?.profile,
    chainComplete: token.chainComplete,
    issuedAt: token.issuedAt,
    expiresAt: token.expiresAt,
  }),
);

function resolveVouchedParties({ question, rules }: UnboundQuestion): ActingParties | Reason {
  const { caller, subject, statedAgent, statedMode, assertedAgent, assertedChain = [] } = question;
  const { agentObject } = rules.vocabulary;
  const mode = statedMode ?? (caller.kind === 'client' ? caller.client.defaultMode : undefined);
  if (subject.type === agentObject) {
    if (mode !== 'direct')
      return reason(
        'binding',
        'subject_type_unknown',
        'A client can vouch for a user, or for a user with an agent; an agent alone needs a token, or the mode "direct".',
      );
    if (assertedAgent !== undefined || (statedAgent !== undefined && statedAgent !== subject.id))
      return reason('binding', 'subject_mismatch');
    return { mode, agent: { type: agentObject, id: subject.id }, chain: [], grant: undefined };
  }
  // An agent's id is never taken as a person's.
  if (mode === 'direct' && (statedMode !== undefined || assertedAgent === undefined))
    return reason('binding', 'subject_mismatch', 'In the mode "direct" the subject is the agent that acts for itself.');
  if (!rules.graph.hasDefinition(subject.type)) return reason('binding', 'subject_type_unknown');
  const user = { type: subject.type, id: subject.id };
  if (assertedAgent === undefined)
    return statedAgent === undefined ? { mode: 'human', user, chain: [] } : reason('binding', 'subject_mismatch');
  if (agentObject === undefined) return reason('binding', 'subject_type_unknown');
  if (statedMode !== undefined || (statedAgent !== undefined && statedAgent !== assertedAgent))
    return reason('binding', 'subject_mismatch');
  const chain = assertedChain.map((id) => ({ type: agentObject, id }));
  return { mode: 'delegated', user, agent: { type: agentObject, id: assertedAgent }, chain, grant: undefined };
}

/** @throws InvalidValueError where a property has another type than the schema declares */
function checkRequestTypes({ question, rules: { vocabulary }, target }: BoundQuestion): void {
  const type = vocabulary.typesByObject.get(question.subject.type)?.[0];
  checkProperties(
    {
      action: target.action,
      resourceType: target.resourceType,
      resourceProperties: question.resource.properties,
      actionProperties: question.action.properties,
      context: question.context,
    },
    type === undefined ? undefined : { type, properties: question.subject.properties },
    vocabulary,
  );
}
