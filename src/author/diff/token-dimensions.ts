/** Dimensions of the token that a generated request is made with: scopes, chain, and what policies read of a delegation. */
import { MAX_CHAIN_LENGTH } from '../../tokens/actors.js';
import { literalNumbers, literalTexts } from '../hypotheses/literals.js';
import { OTHER_TEXT, type RequestDraft } from './synthetic-record.js';
import {
  scopesAskedFor,
  uniqueValues,
  type Dimension,
  type DimensionSource,
  type DimensionValue,
} from './dimension.js';

/** Members of `context.delegation` that are texts, with the token's member that each is taken from. */
const TEXT_MEMBERS = {
  purpose: 'purpose',
  session: 'session',
  transaction: 'txn',
  profile: 'profile',
  issuer: 'issuer',
} as const;

export function tokenDimensions(source: DimensionSource): Dimension[] {
  const { reads, kind, literals } = source;
  const background = reads.has('access') || kind.versions.some(({ action }) => action.backgroundScope !== undefined);
  const dimension = <T>(
    member: string,
    values: readonly T[],
    put: (token: RequestDraft['token'], value: T) => void,
  ): Dimension => ({
    name: `context.delegation.${member}`,
    read: member,
    values: values.map((value): DimensionValue => ({
      text: String(value ?? 'not there'),
      put: ({ token }) => {
        put(token, value);
      },
    })),
  });
  const textMembers = Object.entries(TEXT_MEMBERS).filter(([member]) => reads.has(member));
  return [
    scopeDimension(source),
    ...(background
      ? [dimension('access', ['online', 'background'] as const, (token, access) => (token.access = access))]
      : []),
    ...(reads.has('chain_complete')
      ? [dimension('chain_complete', [true, false], (token, all) => (token.chainComplete = all))]
      : []),
    ...textMembers.map(([member, property]) =>
      dimension(member, [undefined, ...literalTexts(literals.of(member)), OTHER_TEXT], (token, value) => {
        // Every token has an issuer.
        if (property !== 'issuer') token[property] = value;
        else if (value !== undefined) token.issuer = value;
      }),
    ),
  ];
}

/** The scopes that the action asks for, with further ones that policies compare with. */
function scopeDimension(source: DimensionSource): Dimension {
  const requiredScopes = scopesAskedFor(source);
  const compared = literalTexts(source.literals.of('scopes')).filter((scope) => !requiredScopes.includes(scope));
  const additionalScopes = [[], ...compared.map((scope) => [scope]), ...(compared.length > 1 ? [compared] : [])];
  const values = additionalScopes.map((list): DimensionValue => ({
    text: `also ${list.join(' ')}`,
    put: ({ token }) => {
      token.scopes = [...requiredScopes, ...list];
    },
  }));
  return { name: 'scopes', read: 'scopes', values };
}

/** The number of agents in the chain, the acting one included. */
export function chainDimension({ literals }: DimensionSource): Dimension {
  const comparedDepths = literalNumbers(literals.of('depth')).flatMap((depth) => [depth, depth + 1]);
  const depths = uniqueValues([1, 2, ...comparedDepths]).filter((depth) => depth >= 1 && depth <= MAX_CHAIN_LENGTH);
  const values = depths.map((depth): DimensionValue => ({
    text: String(depth),
    put: (draft) => {
      draft.depth = depth;
    },
  }));
  return { name: 'context.delegation.depth', read: 'depth', values };
}
