/** Asks an AuthZEN authorization service whether something may be done, and fails closed. */
export { createClient, RemitClient } from './client.js';
export type { AgentCredential, AskOptions, ClientOptions, Outcome } from './client.js';
export type { Capability } from './capabilities.js';
export { RemitDenied, RemitError, RemitSetupError, RemitUnavailable } from './errors.js';
export type { SetupCode, UnavailableCode } from './errors.js';
export type { AccessRequestOffer, Evaluation, Obligation, Reason, Remedy } from './evaluation.js';
export type {
  Action,
  Entity,
  ProofFunction,
  Properties,
  Question,
  QuestionContext,
  StatedProof,
  WireQuestion,
} from './question.js';
export type { ObligationHandler, ObligationTable } from './obligations.js';
export type { FilterAnswer, FilteredRecord, FilterRequest, InvalidRecord } from './filter.js';
export type { FilterEnd, FilterStreamOptions, FilterStreamRequest } from './filter-stream.js';
export type { ActionSearch, FoundAction, FoundEntity, ResourceSearch, Searches, SubjectSearch } from './search.js';
export type {
  AccessRequestOptions,
  AccessRequestTask,
  RequestedDetail,
  TaskState,
  TaskStatus,
  WaitOptions,
} from './access-request.js';
export type { CallEvent, EventHook } from './caller.js';
export type { CacheOptions } from './cache.js';
export type { CallOptions } from './deadline.js';
export type { Credential, CredentialFunction, IssuedToken, ProofMaker } from './credential.js';
export { dpopCredential, dpopProof, type DpopKeys, type QuestionProof } from './dpop.js';
export { oauthCredential, type OAuthOptions } from './oauth.js';
export { applyMask, MASKING_TYPES, maskJson } from './mask.js';
export { JsonProblem, parseExactJson, parseJson } from './strict-json.js';
export { reportSetup } from './setup-report.js';
