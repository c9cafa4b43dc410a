/** The options of `remit decide` that a deny may call for, by the reason that asks for more than was given. */
import { describeRef, isSameRef, type EntityRef } from '../../model/ids.js';
import type { MissingValue, Reason } from '../../model/reasons.js';
import { nameTokenCommand } from './program-name.js';

/** The parts of the command line that a cure depends on. */
export interface GivenQuestion {
  readonly hasToken: boolean;
  readonly resource: EntityRef;
  /** The configuration that it names. */
  readonly config?: string | undefined;
}

type DeniedBecause = Pick<Reason, 'code' | 'missing'>;
type Cure = (given: GivenQuestion, reason: DeniedBecause) => string | readonly string[] | undefined;

const WITHOUT_TOKEN: Cure = ({ hasToken, config }) =>
  hasToken
    ? undefined
    : `--token "$(${nameTokenCommand(config)} --user ID --agent ID --scope SCOPE)" for an agent with a token, --agent ID for one that the client vouches for, or --mode human for the person alone`;

const OF_SAME_DATA: Cure = ({ config }) =>
  `--token "$(${nameTokenCommand(config)} --user ID --agent ID --scope SCOPE)" with the REMIT_DATA of the service that is asked`;

const CURES: Readonly<Partial<Record<Reason['code'], Cure>>> = {
  token_missing: WITHOUT_TOKEN,
  token_key_unknown: OF_SAME_DATA,
  subject_assertion_forbidden: () =>
    '--token with a token of the agent, or --key with the key of a client that may assert subjects (asserts_subject)',
  subject_type_unknown: WITHOUT_TOKEN,
  attribute_missing: ({ resource }, { missing = [] }) => missing.map((value) => describeSupply(value, resource)),
  context_missing: () => '--context with what is missing',
  obligation_unsupported: () =>
    `--context '{"supported_obligations": ["mask", "notification"]}' with those it can carry out`,
};

/** Says how the value gets there: by an option where one states it, and else by storing it. */
function describeSupply({ entity, path, source, unfit }: MissingValue, resource: EntityRef): string {
  if (entity === undefined) {
    const [, member = '', ...names] = path.split('.');
    const option = CONTEXT_OPTIONS[member];
    return option === undefined || names.length === 0
      ? `no option states ${path}`
      : `${option} with ${names.join('.')}`;
  }
  const store = `PUT /v1/entities/${entity.type}/${encodeURIComponent(entity.id)} with ${path} in "attributes"`;
  if (source === 'request' && isSameRef(entity, resource))
    return `--properties with ${path}, or ${unfit === true ? 'store another value' : 'store it'}: ${store}`;
  const client = source === 'store' ? '' : '; over HTTP a client with asserts_attributes can state it';
  return `no option states ${path} of ${describeRef(entity)}: store it by ${store}${client}`;
}

/** The options for the members of the policies' context that a request states. */
const CONTEXT_OPTIONS: Readonly<Record<string, string>> = { action: '--action-properties', request: '--context' };

/** The cures of the reasons, each once, in order. */
export function listDecideCures(reasons: readonly DeniedBecause[], given: GivenQuestion): string[] {
  return [...new Set(reasons.flatMap((reason) => CURES[reason.code]?.(given, reason) ?? []))];
}
