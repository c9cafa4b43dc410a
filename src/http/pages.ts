/**
 * Page tokens: where the next page begins, signed, and bound to the question and to who asks it. They carry nothing that
 * the page before didn't show.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { BadRequest } from '../model/faults.js';

export const MAX_LIMIT = 1000;
const DEFAULT_LIMIT = 100;

export const page = z
  .object({
    token: z.string().max(4096).optional().describe('`next_token` of the page before; empty or absent for the first'),
    limit: z.number().int().min(1).max(MAX_LIMIT).optional(),
  })
  .optional();

export const nextPage = z.object({ next_token: z.string().describe('Empty at the end') });

export class Pages {
  /** @param key a secret of the deployment */
  constructor(private readonly key: string) {}

  limit(asked: z.infer<typeof page>): number {
    return asked?.limit ?? DEFAULT_LIMIT;
  }

  /** After which key the page begins; undefined for the first. @throws BadRequest */
  begin(asked: z.infer<typeof page>, query: object): string | undefined {
    const token = asked?.token ?? '';
    if (token === '') return undefined;
    const [body = '', mac = '', ...more] = token.split('.');
    const [given, wanted] = [Buffer.from(mac, 'base64url'), this.sign(body, query)];
    if (more.length > 0 || given.length !== wanted.length || !timingSafeEqual(given, wanted))
      throw new BadRequest('is not the next_token of this question', 'page.token');
    return Buffer.from(body, 'base64url').toString('utf8');
  }

  next(after: string | undefined, query: object): { next_token: string } {
    if (after === undefined) return { next_token: '' };
    const body = Buffer.from(after).toString('base64url');
    return { next_token: `${body}.${this.sign(body, query).toString('base64url')}` };
  }

  private sign(body: string, query: object): Buffer {
    const question = createHash('sha256').update(JSON.stringify(query)).digest('base64url');
    return createHmac('sha256', this.key).update(`page ${question} ${body}`).digest();
  }
}
