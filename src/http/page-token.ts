/**
 * Page tokens: they say where the next page begins, and are bound to the query and its caller. They are encrypted, since a
 * page may end at an item that the caller may not see.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync } from 'node:crypto';
import { z } from 'zod';
import { BadRequest } from '../model/faults.js';

export const MAX_PAGE_LIMIT = 1000;
const DEFAULT_PAGE_LIMIT = 100;

export const pageFormat = z
  .object({
    token: z.string().max(4096).nullish().describe('`next_token` of the page before; empty or absent for the first'),
    limit: z.number().int().min(1).max(MAX_PAGE_LIMIT).nullish(),
  })
  .nullish();

export const nextPageFormat = z.object({ next_token: z.string().describe('Empty at the end') });

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

const NOT_OF_QUESTION = 'is not the next_token of this question';

export class PageTokens {
  private readonly key: Uint8Array;

  /** @param secret the deployment's, so that all replicas read each other's tokens */
  constructor(secret: string) {
    this.key = new Uint8Array(hkdfSync('sha256', secret, '', 'page', 32));
  }

  limit(page: z.infer<typeof pageFormat>): number {
    return page?.limit ?? DEFAULT_PAGE_LIMIT;
  }

  /**
   * The key after which the page begins; undefined for the first page.
   * @param place the token's, for the error
   * @throws BadRequest where the token is not one of this query
   */
  decode(
    page: z.infer<typeof pageFormat>,
    query: object,
    place = 'page.token',
    problem = NOT_OF_QUESTION,
  ): string | undefined {
    const token = page?.token ?? '';
    if (token === '') return undefined;
    const bytes = Buffer.from(token, 'base64url');
    // Base64url decodes leniently; only one text counts as the token.
    if (bytes.toString('base64url') !== token || bytes.length < IV_BYTES + TAG_BYTES)
      throw new BadRequest(problem, place);
    const decipher = createDecipheriv(CIPHER, this.key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(digestQuery(query)).setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
    } catch {
      throw new BadRequest(problem, place);
    }
  }

  encode(after: string | undefined, query: object): { next_token: string } {
    if (after === undefined) return { next_token: '' };
    // Derived from the content and the query: equal pages have equal tokens, and no two others share an IV.
    const iv = createHmac('sha256', this.key).update(digestQuery(query)).update(after).digest().subarray(0, IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.key, iv, { authTagLength: TAG_BYTES });
    cipher.setAAD(digestQuery(query));
    const text = Buffer.concat([cipher.update(after, 'utf8'), cipher.final()]);
    return { next_token: Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url') };
  }
}

/** Hashes a query, whatever the order of its members. */
function digestQuery(query: object): Buffer {
  const sorted = (_name: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return createHash('sha256').update(JSON.stringify(query, sorted)).digest();
}
