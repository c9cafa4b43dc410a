/** What varies of the token that a generated request is made on. */
import { MAX_CHAIN } from '../../tokens/actors.js';
import type { Draft } from './draft.js';
import { scopesOf, textsOf, unique, type Dimension, type Matter, type Value } from './matter.js';

/** Members of `context.delegation` that are texts, and what of the token each is. */
const TEXTS = {
  purpose: 'purpose',
  session: 'session',
  transaction: 'txn',
  profile: 'profile',
  issuer: 'issuer',
} as const;

export function tokenDimensions(matter: Matter): Dimension[] {
  const { reads, kind } = matter;
  const background = reads.has('access') || kind.known.some(({ action }) => action.backgroundScope !== undefined);
  const some = <T>(read: string, values: readonly T[], put: (token: Draft['token'], value: T) => void): Dimension => ({
    name: `context.delegation.${read}`,
    read,
    values: values.map((value): Value => ({
      text: String(value ?? 'not there'),
      put: ({ token }) => {
        put(token, value);
      },
    })),
  });
  const texts = Object.entries(TEXTS).filter(([member]) => reads.has(member));
  return [
    scopes(matter),
    ...(background
      ? [some('access', ['online', 'background'] as const, (token, access) => (token.access = access))]
      : []),
    ...(reads.has('chain_complete')
      ? [some('chain_complete', [true, false], (token, all) => (token.chainComplete = all))]
      : []),
    ...texts.map(([member, of]) =>
      some(member, [undefined, ...textsOf(matter, member), 'other'], (token, value) => {
        // Of what issuer it is, every token says.
        if (of !== 'issuer') token[of] = value;
        else if (value !== undefined) token.issuer = value;
      }),
    ),
  ];
}

/** Those that the action asks for, and those besides that policies look for. */
function scopes(matter: Matter): Dimension {
  const own = scopesOf(matter);
  const compared = textsOf(matter, 'scopes').filter((scope) => !own.includes(scope));
  const more = [[], ...compared.map((scope) => [scope]), ...(compared.length > 1 ? [compared] : [])];
  const values = more.map((list): Value => ({
    text: `also ${list.join(' ')}`,
    put: ({ token }) => {
      token.scopes = [...own, ...list];
    },
  }));
  return { name: 'scopes', read: 'scopes', values };
}

/** Agents on the way, the acting one included. */
export function chainDimension({ literals }: Matter): Dimension {
  const named = literals.of('depth').flatMap(({ value }) => (typeof value === 'number' ? [value, value + 1] : []));
  const depths = unique([1, 2, ...named]).filter((depth) => depth >= 1 && depth <= MAX_CHAIN);
  const values = depths.map((depth): Value => ({
    text: String(depth),
    put: (draft) => {
      draft.depth = depth;
    },
  }));
  return { name: 'context.delegation.depth', read: 'depth', values };
}
