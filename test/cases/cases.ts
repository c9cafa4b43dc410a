/** Decisions as data: the YAML files beside this one, what they ask, and the world that they ask it in. */
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { expect } from 'vitest';
import { z } from 'zod';
import { REASONS } from '../../src/model/reasons.js';
import { relationshipKey, parseRelationship } from '../../src/graph/relationship-text.js';
import type { Running } from '../support/sample.js';

const ref = z.strictObject({ type: z.string(), id: z.string() });
const cases = z.array(
  z.strictObject({
    case: z.string(),
    /** The clock. */
    at: z.iso.datetime().default('2030-03-04T10:00:00Z'),
    /** Changes to the sample's world, undone afterwards. */
    without: z.array(z.string()).default([]),
    with: z.array(z.string()).default([]),
    entities: z.array(ref.extend({ attributes: z.record(z.string(), z.unknown()).nullable() })).default([]),
    /** Minted by the development issuer; absent: none is sent. */
    token: z
      .strictObject({
        user: z.string().optional(),
        agent: z.string(),
        chain: z.array(z.string()).optional(),
        scope: z.string().optional(),
        details: z.array(z.record(z.string(), z.unknown())).optional(),
        audience: z.string().optional(),
        background: z.boolean().optional(),
        purpose: z.string().optional(),
        session: z.string().optional(),
        jkt: z.string().optional(),
        ttlSeconds: z.number().optional(),
        /** Minted at another time than that of the question. */
        mintedAt: z.iso.datetime().optional(),
        /** A byte of the signature is changed. */
        tampered: z.boolean().default(false),
      })
      .optional(),
    subject: z.string().default('user:alice'),
    subjectProperties: z.record(z.string(), z.unknown()).optional(),
    action: z.string(),
    actionProperties: z.record(z.string(), z.unknown()).optional(),
    resource: z.string(),
    properties: z.record(z.string(), z.unknown()).optional(),
    context: z.record(z.string(), z.unknown()).default({}),
    expect: z.strictObject({
      decision: z.boolean(),
      /** All codes, in the order of the steps. */
      reasons: z.array(z.enum(Object.keys(REASONS) as [string, ...string[]])).default([]),
      /** Policies that the reasons name. */
      policies: z.array(z.string()).optional(),
      permittedBy: z.array(z.string()).optional(),
      /** Part of the message of the first reason. */
      message: z.string().optional(),
      obligations: z
        .array(z.strictObject({ id: z.string(), type: z.string(), properties: z.record(z.string(), z.unknown()) }))
        .default([]),
      remedies: z.array(z.record(z.string(), z.string())).default([]),
      path: z.array(z.string()).optional(),
      /** Evidence of the delegation step: the relationship, or the path over other agents. */
      delegation: z.union([z.string(), z.array(z.string())]).optional(),
      acting: z.record(z.string(), z.unknown()).optional(),
      user: z.string().optional(),
      /** Each step that was judged; the rest of a decision that ended early are not there. */
      steps: z.record(z.string(), z.enum(['pass', 'deny', 'unknown'])).optional(),
    }),
  }),
);
export type Case = z.infer<typeof cases>[number];

const folder = new URL('.', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
export const all = files.map(
  (file) => [file, cases.parse(parse(readFileSync(new URL(file, folder), 'utf8')))] as const,
);

/** What the case asks, with a token of its own. */
export async function requestOf(remit: Running, c: Case): Promise<object> {
  const { token: t } = c;
  const minted =
    t === undefined
      ? undefined
      : await remit.mint({ ...t, ...(t.mintedAt === undefined ? {} : { now: new Date(t.mintedAt) }) });
  const token = t?.tampered === true ? tampered(minted ?? '') : minted;
  return {
    subject: { ...split(c.subject), ...(c.subjectProperties === undefined ? {} : { properties: c.subjectProperties }) },
    action: { name: c.action, ...(c.actionProperties === undefined ? {} : { properties: c.actionProperties }) },
    resource: { ...split(c.resource), ...(c.properties === undefined ? {} : { properties: c.properties }) },
    context: { ...c.context, ...(token === undefined ? {} : { token }) },
  };
}

function tampered(token: string): string {
  const at = token.lastIndexOf('.') + 10;
  return `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
}

export function split(text: string): { type: string; id: string } {
  const cut = text.indexOf(':');
  return { type: text.slice(0, cut), id: text.slice(cut + 1) };
}

/** Applies the case's changes of the world; the answer undoes them. */
export async function arrange(remit: Running, c: Case): Promise<() => Promise<void>> {
  if (c.without.length > 0) await remit.remove(...c.without);
  if (c.with.length > 0) await remit.touch(...c.with);
  const before: [string, unknown][] = [];
  for (const { type, id, attributes } of c.entities) {
    const url = `/v1/entities/${encodeURIComponent(type)}/${encodeURIComponent(id)}`;
    before.push([url, (await remit.request('GET', url)).json()]);
    if (attributes === null) await remit.request('DELETE', url);
    else expect((await remit.request('PUT', url, { attributes })).statusCode).toBe(200);
  }
  return async () => {
    if (c.with.length > 0) await remit.remove(...c.with.map((r) => relationshipKey(parseRelationship(r))));
    if (c.without.length > 0) await remit.touch(...c.without);
    for (const [url, entity] of before) {
      const { attributes, parents } = entity as { attributes?: object; parents?: object };
      if (attributes === undefined) await remit.request('DELETE', url);
      else await remit.request('PUT', url, { attributes, parents });
    }
  };
}
