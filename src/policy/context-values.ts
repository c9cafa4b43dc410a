/** The members of Cedar's context as Remit supplies them, before they are converted to the types that the schema declares. */
import { toLocalTime } from '../runtime/local-time.js';
import type { CedarRequestFacts } from './cedar-request-facts.js';

/** The value of a context member; undefined where Remit has none. */
export function contextMemberValue(name: string, facts: CedarRequestFacts): unknown {
  const { acting } = facts;
  switch (name) {
    case 'user':
      return acting.user;
    case 'delegation':
      return {
        mode: acting.mode,
        depth: (acting.agent === undefined ? 0 : 1) + acting.chain.length,
        chain_complete: acting.grant?.chainComplete ?? acting.agent === undefined,
        access: acting.grant?.access ?? 'online',
        scopes: acting.grant?.scopes ?? [],
        ...omitUndefined({
          profile: acting.grant?.profile,
          purpose: acting.grant?.purpose,
          session: acting.grant?.session,
          transaction: acting.grant?.txn,
          issuer: acting.grant?.issuer,
        }),
      };
    case 'can':
      return facts.can;
    case 'agent_can':
      return acting.mode === 'delegated' ? facts.agentCan : undefined;
    case 'now':
      return facts.now;
    case 'local':
      return toLocalTime(facts.now, facts.zone);
    case 'action':
      return facts.actionProperties;
    case 'request':
      return facts.context;
    default:
      return undefined; // consent, approval, budget: nothing grants them yet.
  }
}

/** The members that have a value: Cedar's optional members are absent, never undefined. */
function omitUndefined(members: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(members).filter((m): m is [string, string] => m[1] !== undefined));
}
