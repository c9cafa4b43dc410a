/**
 * What would make a deny an allow, held to its word: each denied case of test/cases is explained, and what is proposed is
 * done to the real service, which must then allow.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSources } from '../../src/config/files.js';
import { withMember, type Change } from '../../src/explaining/why-not/change.js';
import { whyNot, type WhyNot } from '../../src/explaining/why-not.js';
import { relationshipKey, parseRelationship } from '../../src/model/relationships.js';
import { worldOf } from '../../src/cli/world.js';
import { all, arrange, requestOf, type Case } from '../cases/cases.js';
import { start, type Answer, type Running } from '../sample.js';
import { decided, type WithFacts } from './sample.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
let remit: Running;
beforeAll(async () => {
  remit = await start();
});
afterAll(() => remit.stop());

const denied = all.flatMap(([, list]) => list.filter((c) => !c.expect.decision));

async function explained(record: WithFacts, running = remit): Promise<WhyNot> {
  const get = async (path: string) => {
    const response = await running.request('GET', path);
    return { status: response.statusCode, body: response.json<unknown>() };
  };
  const rules = running.service.rules();
  return whyNot(record, { rules, sources: readSources(running.service.config.sources), world: worldOf({ get }) });
}

/** The case as it would be asked with the changes. */
function changedCase(c: Case, changes: readonly Change[]): Case {
  return changes.reduce((now: Case, change): Case => {
    const { token } = now;
    if (change.kind === 'time') return { ...now, at: change.at };
    if (change.kind === 'request') {
      const [place = '', ...path] = change.at;
      if (place === 'subject')
        return change.value === undefined
          ? { ...now, subjectProperties: undefined }
          : { ...now, subject: Object.values(change.value as object).join(':') };
      if (place === 'context') return { ...now, context: withMember(now.context, path, change.value) };
      if (path[0] === 'name') return { ...now, action: String(change.value) };
      const member = place === 'action' ? 'actionProperties' : 'properties';
      return { ...now, [member]: withMember(now[member] ?? {}, path.slice(1), change.value) };
    }
    if (change.kind !== 'token' || token === undefined) return now;
    if ('scopes' in change)
      return { ...now, token: { ...token, scope: [token.scope, ...change.scopes].join(' ').trim() } };
    if ('detail' in change)
      return { ...now, token: { ...token, details: [...(token.details ?? []), { ...change.detail }] } };
    if ('purpose' in change) return { ...now, token: { ...token, purpose: change.purpose ?? undefined } };
    if ('access' in change) return { ...now, token: { ...token, background: change.access === 'background' } };
    if ('chain' in change) return { ...now, token: { ...token, chain: [...change.chain] } };
    return { ...now, token: { ...token, session: `${token.session ?? ''}-new` } };
  }, c);
}

/** Does to the service what is to be done there; the answer undoes it. */
async function carriedOut(changes: readonly Change[], running: Running): Promise<() => Promise<void>> {
  const undo: (() => Promise<unknown>)[] = [];
  for (const change of changes) {
    if (change.kind === 'relationship') {
      const key = relationshipKey(parseRelationship(change.relationship));
      if (change.operation === 'delete') await running.remove(key);
      else await running.touch(change.relationship);
      undo.push(() => (change.operation === 'delete' ? running.touch(change.relationship) : running.remove(key)));
    }
    if (change.kind === 'entity') {
      const url = `/v1/entities/${change.entity.type}/${change.entity.id}`;
      const before = (await running.request('GET', url)).json<{ attributes?: object; parents?: object }>();
      const merged = Object.entries({ ...before.attributes, ...change.attributes }).filter(([, v]) => v !== null);
      const put = await running.request('PUT', url, {
        attributes: Object.fromEntries(merged),
        parents: before.parents ?? [],
      });
      expect(put.statusCode, put.body).toBe(200);
      undo.push(() =>
        before.attributes === undefined
          ? running.request('DELETE', url)
          : running.request('PUT', url, { attributes: before.attributes, parents: before.parents }),
      );
    }
  }
  return async () => {
    for (const back of undo.reverse()) await back();
  };
}

/** A company whose policies are changed so. */
async function withPolicies(changes: readonly Change[]): Promise<{ running: Running; directory: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'remit-why-not-'));
  for (const folder of ['schema', 'policies', 'fixtures'])
    cpSync(join(root, folder), join(directory, folder), { recursive: true });
  const folder = join(directory, 'policies');
  for (const [i, change] of changes.entries()) {
    if (change.kind !== 'policy') continue;
    if ('add' in change) writeFileSync(join(folder, `added-${i}.cedar`), change.add);
    else
      for (const name of readdirSync(folder).filter((one) => one.endsWith('.cedar'))) {
        const text = readFileSync(join(folder, name), 'utf8');
        writeFileSync(
          join(folder, name),
          text.replace(remit.service.rules().policies.get(change.id)?.text ?? '?', () => change.text),
        );
      }
  }
  return { running: await start(join(directory, 'fixtures/acme.remit.yaml')), directory };
}

/** Asks the case again with the changes made to the world, the request and the rules. */
async function askedAgain(c: Case, changes: readonly Change[]): Promise<Answer> {
  const other = changes.some(({ kind }) => kind === 'policy') ? await withPolicies(changes) : undefined;
  const running = other?.running ?? remit;
  const arranged = other === undefined ? undefined : await arrange(running, c);
  const undo = await carriedOut(changes, running);
  try {
    const changed = changedCase(c, changes);
    running.at(new Date(changed.at));
    return await running.evaluate(await requestOf(running, changed));
  } finally {
    await undo();
    await arranged?.();
    await other?.running.stop();
    if (other !== undefined) rmSync(other.directory, { recursive: true, force: true });
  }
}

/** By kind, and of changes by what they change. */
const came = new Map<string, string>();

describe('each denied case', () => {
  it.each(denied.map((c) => [c.case, c] as const))(
    '%s',
    async (_name, c) => {
      remit.at(new Date(c.at));
      const undo = await arrange(remit, c);
      try {
        const record = await decided(remit, await requestOf(remit, c));
        expect(record.decision).toBe(false);
        const told = await explained(record);
        came.set(c.case, told.kind);
        console.log(c.case, JSON.stringify(told));
        if (told.kind === 'token') {
          expect(c.expect.reasons).toEqual([told.code]);
          return;
        }
        expect(told.kind).toBe('changes');
        if (told.kind !== 'changes') return;
        const changes = told.changes.map(({ change }) => change);
        const answer = await askedAgain(c, changes);
        expect(answer.context?.reasons, told.changes.map(({ words }) => words).join('; ')).toEqual([]);
        expect(answer.decision).toBe(true);
      } finally {
        await undo();
      }
    },
    120_000,
  );
});
