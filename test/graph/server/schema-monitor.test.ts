/** SchemaMonitor: a schema that changes on the server while Remit runs decides nothing until it fits again. */
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Connection } from '../../../src/graph/server/connection.js';
import { SchemaMonitor } from '../../../src/graph/server/schema-monitor.js';
import type { CheckAnswer, CheckRequest } from '../../../src/model/checks.js';
import { writeServerSchema, type ServerSchemaDifference } from '../../../src/graph/server/schema-diff.js';
import { ServerGraph } from '../../../src/graph/server/server.js';
import type { UpdateOperation } from '../../../src/model/relationships.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { BINARY, named, startSpiceDb, type RunningSpiceDb } from '../../support/spicedb.js';
import { CONTRACT_SCHEMA } from '../relationships.contract.js';
import { collectCleanups } from '../../support/cleanups.js';

const graph = GraphSchema.parse(CONTRACT_SCHEMA, 'mine.zed');
const POLL = { timeout: 60_000, interval: 20 } as const;
/** Each test waits for events, on a machine that may be busy. */
vi.setConfig({ testTimeout: 180_000 });
const asked: CheckRequest = {
  resource: { type: 'folder', id: 'x' },
  permission: 'banned',
  subject: { type: 'user', id: 'a' },
};
const CHANGES: readonly (readonly [string, string | RegExp, string, string])[] = [
  ['a permission is another', 'view - banned', 'view - cleared', 'permission folder#view_unless_banned (differs)'],
  ['a relation takes more', 'banned: user', 'banned: user | team#member', 'subjects of relation folder#banned: team#member (only on the server)'],
  ['a relation takes what can end', 'banned: user', 'banned: user with expiration | user', 'subjects of relation folder#banned: user (only on the server)'],
  ['a permission is gone', /\n *permission view_if_cleared.*/, '', 'permission folder#view_if_cleared (only in the file)'],
  ['a caveat asks for something else', 'tier == wanted', 'tier != wanted', 'caveat tier_is (differs)'],
]; // prettier-ignore
const MISFIT: CheckAnswer = { result: 'unknown', fault: 'schema_differs' };

describe.skipIf(BINARY === '').each(['full', 'bounded'] as const)(
  `${named('the schema of a running SpiceDB server')}, %s`,
  (consistency) => {
    let spicedb: RunningSpiceDb;
    let engine: ServerGraph;
    const log: string[] = [];
    const become = async (text: string): Promise<void> => {
      const connection = new Connection(spicedb.address, 5_000);
      await writeServerSchema(connection, GraphSchema.parse(text, 'theirs.zed')).finally(() => connection.close());
    };
    const answer = async (): Promise<CheckAnswer | undefined> => (await engine.check([asked], 'full'))[0];
    const write = (operation: UpdateOperation): Promise<string> =>
      engine.write([{ operation, relationship: parseRelationship('folder:x#banned@user:a') }], 'test');

    const onSuiteFinished = collectCleanups();
    beforeAll(async () => {
      spicedb = await startSpiceDb();
      onSuiteFinished(() => spicedb.kill());
      await spicedb.schema(graph);
      engine = await ServerGraph.start(graph, {
        ...spicedb.address,
        deadlineMs: 5_000,
        consistency,
        log: (line) => log.push(line),
      });
      onSuiteFinished(() => engine.close());
      await write('touch');
    });
    beforeEach(async () => {
      await become(CONTRACT_SCHEMA);
      await expect.poll(answer, POLL).toMatchObject({ result: 'yes' });
      log.length = 0;
    });

    // Both kinds of change are noticed.
    it.each(consistency === 'full' ? CHANGES.slice(0, 1) : CHANGES)('where %s, nothing is decided, and the log says what differs; and again once it is as it was', async (_, part, instead, what) => {
      await become(CONTRACT_SCHEMA.replace(part, instead));
      await expect.poll(answer, POLL).toEqual(MISFIT);
      expect(log).toEqual([
        `the schema of SpiceDB at ${spicedb.address.endpoint} is no longer that of mine.zed, and nothing is decided until it is: ${what}`,
      ]);
      const fault = { name: 'Fault', code: 'schema_differs' };
      await expect(engine.read({ resourceType: 'folder' }, 1, 'full')).rejects.toMatchObject(fault);
      await expect(
        engine.lookupResources({ resourceType: 'folder', permission: 'banned', subject: asked.subject, withinMs: 1_000 }, 'full'),
      ).rejects.toMatchObject(fault);
      await expect(
        engine.lookupSubjects({ resource: asked.resource, permission: 'banned', subjectType: 'user', withinMs: 1_000 }, 'full'),
      ).rejects.toMatchObject(fault);
      await become(CONTRACT_SCHEMA);
      await expect.poll(answer, POLL).toMatchObject({ result: 'yes' });
      expect(log.slice(1)).toEqual([`the schema of SpiceDB at ${spicedb.address.endpoint} is that of mine.zed again`]);
    }); // prettier-ignore

    it('a right can be taken back all the same', async () => {
      await become(CONTRACT_SCHEMA.replace('view - banned', 'view - cleared'));
      await expect.poll(answer, POLL).toEqual(MISFIT);
      await write('delete');
      await become(CONTRACT_SCHEMA);
      await expect.poll(answer, POLL).toMatchObject({ result: 'no' });
      await write('touch');
    });

    it('more than the file has, that nothing in the file leads to, changes nothing and is told once', async () => {
      const more = CONTRACT_SCHEMA.replace(
        'relation cleared: user',
        'relation cleared: user\n  relation seen: user\n  permission show = seen + view',
      );
      await become(
        `${more}\ncaveat later(at int) {\n  at > 3\n}\ndefinition shelf {\n  relation owner: user with later\n}\n`,
      );
      await expect.poll(() => log, POLL).toHaveLength(1);
      expect(log[0]).toMatch(
        / has more than mine\.zed, which changes no decision: .*definition shelf \(only on the server\)/,
      );
      expect(await answer()).toMatchObject({ result: 'yes' });
      await write('touch');
      expect(await answer()).toMatchObject({ result: 'yes' });
    });
  },
);

describe('a schema that is another than before', () => {
  const difference = (text: string, aside = false): ServerSchemaDifference => ({
    change: 'change',
    item: text,
    text,
    harmless: aside,
  });
  const where = { endpoint: 'spicedb:1', file: 'mine.zed' };

  it('counts as a misfit while nobody can say what differs, and is asked about again', async () => {
    const log = vi.fn();
    const fitting = new SchemaMonitor(where, log);
    expect(await fitting.compareSchema('one', () => Promise.resolve([]))).toBe(true);
    expect(await fitting.compareSchema('two', () => Promise.reject(new Error('gone')))).toBe(false);
    expect(fitting.fault?.code).toBe('schema_differs');
    expect(await fitting.compareSchema('two', () => Promise.resolve([]))).toBe(true);
    expect(fitting.fault).toBeUndefined();
    expect(log).toHaveBeenCalledTimes(2);
  });

  it('is compared once, and not at every look', async () => {
    const fitting = new SchemaMonitor(where, () => undefined);
    const compare = vi.fn(() => Promise.resolve([difference('permission a#b (differs)')]));
    for (let i = 0; i < 3; i += 1) expect(await fitting.compareSchema('other', compare)).toBe(false);
    expect(compare).toHaveBeenCalledTimes(1);
  });

  it('is told in a line, however much it is', async () => {
    const log = vi.fn();
    const many = Array.from({ length: 9 }, (_, i) => difference(`permission a#p${i} (differs)`));
    await new SchemaMonitor(where, log).compareSchema('other', () => Promise.resolve(many));
    expect(log).toHaveBeenCalledWith(expect.stringMatching(/a#p4 \(differs\); and 4 more$/));
  });
});
