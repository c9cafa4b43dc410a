/** The members of Cedar's context as Remit supplies them, before they are converted to the types that the schema declares. */
import type { Grant } from '../model/acting.js';
import type { EntityRef } from '../model/ids.js';
import { memoizeByObject } from '../runtime/memoize.js';
import { toLocalTime } from '../runtime/local-time.js';
import type { CedarRequestFacts } from './cedar-request-facts.js';

const NO_CLAIMS: Readonly<Record<string, unknown>> = {};

/** The value of a context member; undefined where Remit has none. @param principal that the policies are asked about */
export function contextMemberValue(name: string, facts: CedarRequestFacts, principal: EntityRef): unknown {
  const { acting } = facts;
  switch (name) {
    case 'user':
      return acting.user;
    case 'delegation':
      return {
        mode: acting.mode,
        depth: (acting.agent === undefined ? 0 : 1) + acting.chain.length,
        ...(acting.grant === undefined
          ? { chain_complete: acting.agent === undefined, access: 'online', scopes: [] }
          : describeGrant(acting.grant)),
      };
    case 'can':
      return facts.can;
    case 'agent_can':
      return acting.mode === 'delegated' ? facts.agentCan : undefined;
    case 'now':
      return facts.now;
    case 'local':
      return toLocalTime(facts.now, facts.zone);
    case 'consent':
      return facts.consent;
    case 'action':
      return facts.actionProperties;
    case 'request':
      return facts.context;
    case 'budget':
      return facts.budget;
    case 'history':
      return facts.history(principal);
    case 'approval':
      return facts.approval;
    case 'claims':
      return acting.grant?.claims ?? NO_CLAIMS;
    default:
      return undefined;
  }
}

/** The members of `delegation` that a token says, which are the same for all questions of a list. */
const describeGrant = memoizeByObject((grant: Grant) => ({
  chain_complete: grant.chainComplete,
  access: grant.access,
  scopes: grant.scopes,
  ...omitUndefined({
    profile: grant.profile,
    purpose: grant.purpose,
    session: grant.session,
    transaction: grant.txn,
    issuer: grant.issuer,
  }),
}));

/** The members that have a value: Cedar's optional members are absent, never undefined. */
function omitUndefined(members: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(members).filter((m): m is [string, string] => m[1] !== undefined));
}
