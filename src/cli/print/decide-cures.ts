/** The options of `remit decide` that a deny may call for, by the reason that asks for more than was given. */
import type { ReasonCode } from '../../model/reasons.js';
import { nameTokenCommand } from './program-name.js';

/** The parties that the command line named: the agent and its user. */
export interface GivenActors {
  readonly hasToken: boolean;
  /** The configuration that it names. */
  readonly config?: string | undefined;
}

type Cure = (actors: GivenActors) => string | undefined;

const WITHOUT_TOKEN: Cure = ({ hasToken, config }) =>
  hasToken
    ? undefined
    : `--token "$(${nameTokenCommand(config)} --user ID --agent ID --scope SCOPE)" for an agent with a token, --agent ID for one that the client vouches for, or --mode human for the person alone`;

const OF_SAME_DATA: Cure = ({ config }) =>
  `--token "$(${nameTokenCommand(config)} --user ID --agent ID --scope SCOPE)" with the REMIT_DATA of the service that is asked`;

const CURES: Readonly<Partial<Record<ReasonCode, Cure>>> = {
  token_missing: WITHOUT_TOKEN,
  token_key_unknown: OF_SAME_DATA,
  subject_assertion_forbidden: () =>
    '--token with a token of the agent, or --key with the key of a client that may assert subjects (asserts_subject)',
  subject_type_unknown: WITHOUT_TOKEN,
  attribute_missing: () =>
    '--properties, --action-properties or --context with what is missing, or store it: PUT /v1/entities/{type}/{id}',
  context_missing: () => '--context with what is missing',
  obligation_unsupported: () =>
    `--context '{"supported_obligations": ["mask", "notification"]}' with those it can carry out`,
};

/** The cures of the reasons, each once, in order. */
export function listDecideCures(reasons: readonly { readonly code: ReasonCode }[], actors: GivenActors): string[] {
  return [...new Set(reasons.flatMap(({ code }) => CURES[code]?.(actors) ?? []))];
}
