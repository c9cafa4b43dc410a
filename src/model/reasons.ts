/**
 * The closed catalogue of reason codes: the steps that can give each, and what it means. Agents and users are told
 * `people`, which says nothing of what exists. Clients are told `operators`, which docs/reference/reasons.md repeats and
 * a test holds against this table.
 */
import type { EntityRef } from './ids.js';
import type { StatedQuantity } from './quantities.js';

/** The eight steps of a decision, by the names that answers and records carry. */
export const STEP_NAMES = [
  'token',
  'binding',
  'delegation',
  'relationship',
  'consent',
  'policy',
  'obligations',
  'record',
] as const;
export type StepName = (typeof STEP_NAMES)[number];

export const REASONS = {
  token_missing: {
    steps: ['token'],
    people: 'No delegation token was presented.',
    operators:
      'The request carries neither a token nor an assertion that its client may make; in a batch that carries tokens, every item needs one.',
  },
  token_malformed: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators:
      'The token is not a compact JWS with a JSON header and payload, is longer than its issuer may sign (8 KiB by default), or has duplicate members.',
  },
  token_type_invalid: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators:
      'The header `typ` is none that this issuer signs: `at+jwt` (RFC 9068) and `txntoken+jwt`, or what `token_types` says.',
  },
  token_is_id_token: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: 'An ID token says who logged in; it grants nothing. An access token is needed.',
  },
  token_is_id_jag: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators:
      'An identity assertion grant (ID-JAG) is to be exchanged for an access token at its audience, not presented.',
  },
  token_is_logout_token: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: 'A logout token ends sessions; it grants nothing.',
  },
  token_is_security_event: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: 'A security event token (RFC 8417) tells what happened; it grants nothing.',
  },
  token_is_dpop_proof: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: 'A DPoP proof goes with a token and is none.',
  },
  token_is_client_attestation: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: 'A client attestation authenticates a client to its authorization server; it grants nothing.',
  },
  token_is_transaction_token: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators:
      'A transaction token is passed on by services within a trust domain; no agent can present it as its own credential.',
  },
  token_issuer_unknown: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: 'No configured issuer has this `iss`.',
  },
  token_algorithm_forbidden: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: "The header `alg` is not on the issuer's list.",
  },
  token_key_unknown: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: "No key of the issuer's JWKS fits the header.",
  },
  token_key_unusable: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: 'The key that fits is malformed, or too weak to prove anything (short or factorable RSA).',
  },
  token_signature_invalid: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: 'The signature does not verify.',
  },
  token_audience_mismatch: {
    steps: ['token'],
    people: 'The token is for another service.',
    operators: "`aud` does not name this client's audience: the token was issued for another API.",
  },
  token_expired: { steps: ['token'], people: 'The token has expired.', operators: '`exp` has passed.' },
  token_not_yet_valid: {
    steps: ['token'],
    people: 'The token is not valid yet.',
    operators: '`nbf` or `iat` lies in the future.',
  },
  token_claims_invalid: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: 'A claim is missing or of a wrong type; the message names it.',
  },
  token_actor_invalid: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators:
      'The chain of actors (`act`) is malformed, too long, loops, or is missing where this issuer always states one.',
  },
  token_chain_inverted: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators:
      'The acting party is a person, or the one acted for is none: agents act for users, never the other way round.',
  },
  actor_forbidden: {
    steps: ['token'],
    people: 'This agent may not be used here.',
    operators:
      'The acting agent is not one that this issuer may name: its `sub_profile` or its `act.iss` is not among those allowed, it is one of the `user_clients`, or the client is not known as an agent.',
  },
  token_revoked: {
    steps: ['token', 'delegation'],
    people: 'The token has been revoked.',
    operators: 'A revocation covers the token: by its `jti`, user, agent, or time of issue.',
  },
  proof_missing: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: 'The token is bound to a key or a certificate (`cnf`) and no proof of possession came with it.',
  },
  proof_invalid: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: 'The proof of possession does not hold for this token and this request; the message says why.',
  },
  proof_replayed: {
    steps: ['token'],
    people: 'The token is not valid.',
    operators: 'The DPoP proof has been used before: each is for one request.',
  },
  subject_assertion_forbidden: {
    steps: ['token'],
    people: 'No delegation token was presented.',
    operators: 'The client states a subject without a token but is not flagged `asserts_subject`.',
  },
  subject_mismatch: {
    steps: ['binding'],
    people: 'The token does not belong to this request.',
    operators:
      "The request's subject, or `context.agent`, is neither the token's user nor its agent (confused deputy).",
  },
  transaction_mismatch: {
    steps: ['binding'],
    people: 'The token does not belong to this request.',
    operators: 'The request’s context contradicts what the transaction token says the transaction is about (`tctx`).',
  },
  subject_type_unknown: {
    steps: ['binding'],
    people: 'This can not be asked for this kind of subject.',
    operators: "The action's principals in the Cedar schema include no such type.",
  },
  action_unknown: {
    steps: ['binding'],
    people: 'This action is not known for this kind of thing.',
    operators: 'The Cedar schema has no action of this name that applies to this type of resource.',
  },
  attributes_unproven: {
    steps: ['binding'],
    people: 'This question states what only an API can vouch for.',
    operators:
      "An agent's own question states an attribute of the resource or the subject, or a member of the context, that the schema declares: of these an agent's word proves nothing.",
  },
  resource_type_forbidden: {
    steps: ['binding'],
    people: 'This can not be asked here.',
    operators: "The type of resource is not on this client's list.",
  },
  scope_insufficient: {
    steps: ['delegation'],
    people: 'The token does not cover this action.',
    operators:
      "The token lacks the action's scope; on a background token, the background scope or a detail that allows it.",
  },
  authorization_details_mismatch: {
    steps: ['delegation'],
    people: 'The token does not cover this.',
    operators:
      'No entry of `authorization_details` covers the action on this resource, or the action has no scope and the token no details. Or no detail of a delegation covers it: then people are told "What was delegated does not cover this.", and the message names the delegation.',
  },
  purpose_mismatch: {
    steps: ['delegation'],
    people: 'The token does not cover this purpose.',
    operators: 'The request states another purpose than the token.',
  },
  session_ended: {
    steps: ['delegation'],
    people: 'The session has ended.',
    operators: 'The session that the token belongs to (`sid`, `txn`) has been ended.',
  },
  delegation_missing: {
    steps: ['delegation'],
    people: 'There is no delegation to this agent.',
    operators:
      'The graph does not say that the user has delegated to this agent (`delegator`), or what narrows the delegation rules it out: never given, ended, expired, stopped, or for another access.',
  },
  agent_unknown: {
    steps: ['delegation'],
    people: 'This agent is not known here.',
    operators:
      'An agent of the chain (the acting one, an earlier one, or one that passed the delegation on) has no stored entity, so nothing says whether it may still act.',
  },
  relationship_missing: {
    steps: ['relationship'],
    people: 'This is not among what may be accessed.',
    operators: 'The user (in direct mode the agent) does not hold the permission on the resource.',
  },
  agent_relationship_missing: {
    steps: ['relationship'],
    people: 'This is not among what this agent may access.',
    operators: 'The agent itself does not hold the permission that the action asks of it (`@agent_permission`).',
  },
  context_missing: {
    steps: ['delegation', 'relationship', 'policy'],
    people: 'The request lacks information that the decision needs.',
    operators: "A SpiceDB caveat needs members of the request's context that were not sent.",
  },
  graph_unanswerable: {
    steps: ['delegation', 'relationship', 'policy'],
    people: 'This can not be decided.',
    operators: 'SpiceDB will not answer this check: the graph is too deep or cyclic, or the context has a wrong type.',
  },
  consent_required: {
    steps: ['consent'],
    people: 'This needs consent first.',
    operators: 'The action asks for consent (`@consent`) and there is none that covers the question.',
  },
  consent_ended: {
    steps: ['consent'],
    people: 'The consent to this has ended.',
    operators: 'The latest consent that covers the question was withdrawn, or has expired.',
  },
  consent_suspended: {
    steps: ['consent'],
    people: 'What was consented to has changed since, so the consent is needed again.',
    operators:
      'The latest consent that covers the question is suspended: the permission, title, class, effect or definition of an action that it names has changed.',
  },
  consent_access_mismatch: {
    steps: ['consent'],
    people: 'The consent to this is for another kind of access.',
    operators:
      'A consent covers the question only with the user there (`online`), or only without (`background`), and the agent acts the other way.',
  },
  limit_exceeded: {
    steps: ['consent'],
    people: 'The limit for this has been reached.',
    operators:
      'A limit of the action (`@limit`), of a delegation or of the consent has less left than the question uses, or the amount is none that the limit can take.',
  },
  key_used: {
    steps: ['consent'],
    people: 'This has been done already.',
    operators: 'The same question with the same `Idempotency-Key` was reported as executed.',
  },
  approval_required: {
    steps: ['consent'],
    people: 'This needs approval first.',
    operators: 'Approvals would lift the deny, all of them together: `access_request` says how to ask for them.',
  },
  approval_unverifiable: {
    steps: ['consent'],
    people: 'There is no such approval.',
    operators:
      'The approval (`context.approval`) is none of this caller’s: there is none of this id, its `state` isn’t genuine, or it was never given.',
  },
  approval_out_of_scope: {
    steps: ['consent'],
    people: 'The approval is for something else.',
    operators: 'The question differs from the one that was approved, at the place that `at` names.',
  },
  approval_expired: {
    steps: ['consent'],
    people: 'The approval has expired.',
    operators: 'The approval’s end has passed, or nobody answered in time.',
  },
  approval_used: {
    steps: ['consent'],
    people: 'The approval has been used already.',
    operators: 'The approval was for one use, and another decision has used it.',
  },
  approval_revoked: {
    steps: ['consent'],
    people: 'The approval has been withdrawn.',
    operators: 'The approver, the user or an admin has ended the approval.',
  },
  approver_ineligible: {
    steps: ['consent'],
    people: 'The approval is no longer good.',
    operators: 'An approver may not approve this, or no longer: it is asked again at each use.',
  },
  grant_pending: {
    steps: ['consent'],
    people: 'The approval takes effect in a moment.',
    operators: 'The relationship that the approval gives isn’t written yet.',
  },
  attribute_missing: {
    steps: ['consent', 'policy', 'obligations'],
    people: 'Something needed for the decision is not known.',
    operators:
      'A required attribute is neither in the entity store nor in the request; the message names it, the entity that lacks it, and whether a request can state it. `missing` lists the same.',
  },
  policy_forbid: {
    steps: ['policy'],
    people: 'A policy forbids it.',
    operators: 'A Cedar forbid applies to the agent, or to an earlier agent of its chain.',
  },
  policy_no_permit: { steps: ['policy'], people: 'No policy permits it.', operators: 'No Cedar permit applies.' },
  policy_error: {
    steps: ['policy', 'obligations'],
    people: 'The policies could not be applied.',
    operators: 'A Cedar policy or duty failed while it was evaluated; such a policy never counts as absent.',
  },
  obligation_unsupported: {
    steps: ['obligations'],
    people: 'This can not be shown safely here.',
    operators:
      'A duty applies that neither the request nor the configuration of its client says it can carry out (`supported_obligations`).',
  },
} as const satisfies Record<string, { steps: readonly StepName[]; people: string; operators: string }>;

export type ReasonCode = keyof typeof REASONS;

/** Whether only the request itself can supply what the reason misses. */
export function dependsOnRequest({ code, unstated }: Pick<Reason, 'code' | 'unstated'>): boolean {
  return unstated === true || REQUEST_DEPENDENT_REASONS.includes(code);
}

const REQUEST_DEPENDENT_REASONS: readonly ReasonCode[] = ['attribute_missing', 'context_missing'];

/** The codes that the step can give. */
export type ReasonCodeOf<Step extends StepName> = {
  [Code in ReasonCode]: Step extends (typeof REASONS)[Code]['steps'][number] ? Code : never;
}[ReasonCode];

/**
 * The sources of a value: the request beside the store, only a request of a client with `asserts_attributes`, the store
 * alone, or the token.
 */
export type ValueSource = 'request' | 'asserting_client' | 'store' | 'token';

/** A part of a request to Cedar that is required and isn't there, or no longer fits. */
export interface MissingValue {
  /** The entity that lacks the attribute; undefined for a member of the context. */
  readonly entity?: EntityRef;
  /** Within the entity: `address.street`; of the context: `context.action.branch`. */
  readonly path: string;
  /** Whether it is there and has another type than the schema declares. */
  readonly unfit?: true;
  /** Absent: not known, as where it doesn't depend on a question. */
  readonly source?: ValueSource;
}

export interface Reason {
  readonly code: ReasonCode;
  readonly step: StepName;
  /** The sentence for people, where the catalogue's would say what isn't so. */
  readonly people?: string;
  /** The sentence for clients and operators, which may name policies, attributes and claims, never a secret. */
  readonly message: string;
  readonly policies?: readonly string[];
  /** The values of `attribute_missing`, each with what lacks it and where it can come from. */
  readonly missing?: readonly MissingValue[];
  /** `limit_exceeded`: what the question uses, and what is left: a number of uses, or an amount. */
  readonly required?: StatedQuantity;
  /** The delegation (as a relationship) or consent whose limit it is; neither where it is the action's. */
  readonly delegation?: string;
  readonly consent?: string;
  readonly remaining?: StatedQuantity;
  /** The instant at which more is left, RFC 3339; absent where that never comes. */
  readonly resets_at?: string;
  /** The instant from which what the reason misses holds, RFC 3339; absent where it isn't a matter of time. */
  readonly not_before?: string;
  /** `authorization_details_mismatch`: nothing else is wrong than that the request doesn't state something. */
  readonly unstated?: true;
  /** `approval_out_of_scope`: the place at which the question differs from the one that was approved. */
  readonly at?: string;
}

/**
 * Makes the reason with which a step denies. The type holds the code to those that the catalogue lists for the step.
 * @param message replaces the catalogue's sentence for operators where something particular can be said
 * @param policies ids of the policies that the reason rests on
 */
export function reason<Step extends StepName>(
  step: Step,
  code: ReasonCodeOf<Step>,
  message?: string,
  policies?: readonly string[],
): Reason {
  const { operators } = REASONS[code];
  return { code, step, message: message ?? operators, ...(policies === undefined ? {} : { policies }) };
}
