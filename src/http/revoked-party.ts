/**
 * The party of a revocation as a request names it. A revocation can't be undone, so a name that may mean two parties, or
 * that no token can carry, is refused with the way to write it.
 */
import { z } from 'zod';
import { didYouMean } from '../diagnostics/suggest.js';
import { BadRequest } from '../model/faults.js';
import { findIssuer, type Issuer } from '../tokens/issuers.js';
import { idFormat } from './authzen-formats.js';

export const revokedPartyFormat = z.union([
  idFormat.describe('The id as the graph has it, with the issuer’s alias where it has one: `ann`, `partner|ann`'),
  z.strictObject({ id: idFormat }).describe('The same, for an id that begins like a reference, such as `user:ann`'),
  z
    .strictObject({ issuer: z.string().min(1).max(1024), sub: idFormat })
    .describe('As a token states it: its issuer and the subject'),
]);
export type RevokedParty = z.infer<typeof revokedPartyFormat>;

/**
 * Resolves the id by which tokens name the party.
 * @param place `user` or `agent`
 * @param type the SpiceDB definition of such parties
 * @param issuers those whose tokens may name it
 * @throws BadRequest naming the place and the cure
 */
export function resolveRevokedParty(
  party: RevokedParty,
  place: 'user' | 'agent',
  type: string | undefined,
  issuers: readonly Issuer[],
): string {
  if (typeof party === 'object' && 'sub' in party) {
    const issuer = requireIssuer(party.issuer, `${place}.issuer`, issuers);
    const id = issuer.entityId(party.sub);
    if (id === undefined) throw new BadRequest('begins with the alias of another issuer', `${place}.sub`);
    return id;
  }
  const id = typeof party === 'string' ? party : party.id;
  if (typeof party === 'string' && type !== undefined && id.startsWith(`${type}:`)) {
    const [rest, whole] = [id.slice(type.length + 1), id].map((text) => JSON.stringify(text));
    throw new BadRequest(
      `may be the ${place} ${rest ?? ''} or one whose id is ${whole ?? ''}: write {"id": ${rest ?? ''}} or {"id": ${whole ?? ''}}, or the "issuer" and "sub" of the token`,
      place,
    );
  }
  // Where no issuer is configured yet, nothing says how ids look.
  if (issuers.length === 0 || issuers.some((issuer) => canName(issuer, id))) return id;
  const forms = issuers.flatMap(({ primary, alias }) => (primary || alias === undefined ? [] : [`"${alias}|…"`]));
  throw new BadRequest(
    `is no id that a token can name: the ids of the configured issuers are ${forms.join(', ')}; write it so, or as {"issuer": …, "sub": …}`,
    place,
  );
}

/**
 * Finds the issuer that a revocation names. No token of another is accepted, so naming one would end nothing.
 * @param place of the name in the request
 * @param issuers those that can be meant
 * @throws BadRequest naming the place and the issuer that was probably meant
 */
export function requireIssuer(name: string, place: string, issuers: readonly Issuer[]): Issuer {
  const issuer = findIssuer(issuers, name);
  if (issuer !== undefined) return issuer;
  const names = issuers.map((configured) => configured.issuer);
  const problem = `is not a configured issuer${didYouMean(name, names)}`;
  throw new BadRequest(problem, place);
}

/** Whether a token of the issuer can name the id. */
function canName(issuer: Issuer, id: string): boolean {
  return issuer.primary ? issuer.entityId(id) === id : id.startsWith(issuer.entityId('') ?? '');
}
