/**
 * Step 2: do the request's subject and agent agree with the token's, and is it something that can be asked at all?
 * A token of one user or agent presented with a request about another is the confused deputy.
 */
import type { ActingParties } from '../../model/acting.js';
import type { Properties } from '../../model/question.js';
import { cedarPrincipal } from '../../model/acting.js';
import { BadRequest } from '../../model/faults.js';
import { formatRef, isSameRef } from '../../model/ids.js';
import { deny, pass, type StepOutcome } from '../../model/outcome.js';
import { isDeepStrictEqual } from 'node:util';
import { reason, type Reason } from '../../model/reasons.js';
import { checkProperties } from '../../policy/cedar-request.js';
import { formatProblem } from '../../diagnostics/diagnostics.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import { InvalidValueError } from '../../policy/schema/types.js';
import { type OpeningStep } from '../step.js';
import { type BoundQuestion } from '../bound-question.js';
import { getVerifiedCredential } from '../bound-question.js';
import { type UnboundQuestion } from '../bound-question.js';

export const bindingStep: OpeningStep = {
  step: 'binding',
  judge: (opening) => {
    const binding = bindQuestion(opening);
    return 'denied' in binding
      ? binding.denied
      : { ...pass({ subject: formatRef(opening.question.subject) }), established: binding };
  },
};

/**
 * What the later steps work on; only after the token step has passed.
 *
 * @throws BadRequest where a property of the request is of a wrong type
 */
function bindQuestion(opening: UnboundQuestion): BoundQuestion | { readonly denied: StepOutcome } {
  const { question, rules, now } = opening;
  const { vocabulary } = rules;
  const on = vocabulary.find(question.action.name, question.resource.type);
  if (on === undefined) {
    const names = vocabulary.actions
      .filter((a) => a.resourceTypes.some((t) => t.object === question.resource.type))
      .map((a) => a.name);
    const message = `No action "${question.action.name}" applies to "${question.resource.type}"`;
    const suggestion = suggestNearest(question.action.name, names);
    return denied(reason('action_unknown', `${formatProblem({ message, suggestion })}.`));
  }
  if (question.caller.kind === 'client' && question.caller.client.resources?.has(question.resource.type) === false) {
    return denied(reason('resource_type_forbidden'));
  }
  const acting = resolveActingParties(opening);
  if ('code' in acting) return denied(acting);
  const principal = cedarPrincipal(acting);
  const principalType = on.action.principalTypes.find((type) => type.object === principal.type);
  if (principalType === undefined) {
    return denied(
      reason(
        'subject_type_unknown',
        `"${principal.type}" is no principal of "${on.action.name}" on "${question.resource.type}".`,
      ),
    );
  }
  const transaction = readTransaction(opening);
  const statements = {
    context: question.context,
    action: question.action.properties,
    resource: question.resource.properties,
  };
  for (const [place, properties] of Object.entries(statements)) {
    const other = Object.keys(transaction).find(
      (name) => Object.hasOwn(properties, name) && !isDeepStrictEqual(properties[name], transaction[name]),
    );
    if (other !== undefined)
      return denied(reason('transaction_mismatch', `The request's ${place} states another ${other} than the token.`));
  }
  const established = {
    // What the token says of its transaction is signed, so it counts as said, whether or not the client says it too.
    question: { ...question, context: { ...question.context, ...transaction } },
    rules,
    now,
    acting,
    on,
    principalType,
  };
  try {
    checkRequestTypes(established);
  } catch (error) {
    const member = error instanceof InvalidValueError ? /^context\.([^.[]+)/.exec(error.path)?.[1] : undefined;
    if (member !== undefined && Object.hasOwn(transaction, member))
      return denied(reason('transaction_mismatch', `In the token's "tctx", ${member} ${(error as Error).message}.`));
    if (error instanceof InvalidValueError) throw new BadRequest(error.message, error.path);
    throw error;
  }
  return established;
}

/** `tctx`, which only a transaction token has. */
function readTransaction(opening: UnboundQuestion): Properties {
  return getVerifiedCredential(opening)?.token.transaction ?? {};
}

function denied(cause: Reason): { denied: StepOutcome } {
  return { denied: deny(cause) };
}

/** Who acts, from the token or from what the client vouches for. */
function resolveActingParties(opening: UnboundQuestion): ActingParties | Reason {
  const { question, rules } = opening;
  const { subject, statedAgent, statedMode, assertedAgent } = question;
  const { userObject, agentObject } = rules.vocabulary;
  const credential = getVerifiedCredential(opening);
  if (credential !== undefined) {
    const { token, accepted, sessionEnded } = credential;
    const [current, ...history] = token.actors;
    if (agentObject === undefined || (token.user !== undefined && userObject === undefined))
      return reason('subject_type_unknown');
    // A token that names no agent has not passed the token step; nothing may be made of one that has.
    if (current === undefined || token.mode === 'unknown') throw new TypeError('a credential without an agent');
    const agent = { type: agentObject, id: current.id };
    const user =
      token.user === undefined || userObject === undefined ? undefined : { type: userObject, id: token.user };
    const named = isSameRef(subject, agent) || (user !== undefined && isSameRef(subject, user));
    const agrees = [statedAgent, assertedAgent].every((id) => id === undefined || id === agent.id);
    if (!named || !agrees || statedMode !== undefined) return reason('subject_mismatch');
    return {
      mode: token.mode,
      user,
      agent,
      chain: history.map(({ id }) => ({ type: agentObject, id })),
      grant: {
        issuer: token.issuer,
        format: token.format,
        scopes: token.scopes,
        details: token.authorizationDetails,
        ...accepted,
        access: token.access,
        purpose: token.purpose,
        session: token.session,
        sessionEnded,
        txn: token.txn,
        clientId: token.clientId,
        jti: token.jti,
        profile: current.profile,
        chainComplete: token.chainComplete,
        issuedAt: token.issuedAt,
        expiresAt: token.expiresAt,
      },
    };
  }
  if (subject.type === agentObject)
    return reason(
      'subject_type_unknown',
      'A client can vouch for a user, or for a user with an agent; an agent alone needs a token.',
    );
  if (!rules.graph.hasDefinition(subject.type)) return reason('subject_type_unknown');
  const user = { type: subject.type, id: subject.id };
  if (assertedAgent === undefined) {
    return statedAgent === undefined
      ? { mode: 'human', user, agent: undefined, chain: [], grant: undefined }
      : reason('subject_mismatch');
  }
  if (agentObject === undefined) return reason('subject_type_unknown');
  if (statedMode !== undefined || (statedAgent !== undefined && statedAgent !== assertedAgent))
    return reason('subject_mismatch');
  return { mode: 'delegated', user, agent: { type: agentObject, id: assertedAgent }, chain: [], grant: undefined };
}

/** @throws InvalidValueError */
function checkRequestTypes({ question, rules: { vocabulary }, on }: BoundQuestion): void {
  const type = vocabulary.typesByObject.get(question.subject.type)?.[0];
  checkProperties(
    {
      action: on.action,
      resourceType: on.resourceType,
      resourceProperties: question.resource.properties,
      actionProperties: question.action.properties,
      context: question.context,
    },
    type === undefined ? undefined : { type, properties: question.subject.properties },
    vocabulary,
  );
}
