/** The contract of RelationshipGraph, which both engines must meet. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RelationshipFilter, RelationshipGraph } from '../../src/graph/port.js';
import type { CheckAnswer, CheckRequest } from '../../src/model/checks.js';
import type { Relationship, UpdateOperation } from '../../src/model/relationships.js';
import { BadRequest } from '../../src/model/faults.js';
import { GraphSnapshot } from '../../src/graph/snapshot.js';
import { decodeId, isForeignId } from '../../src/model/ids.js';
import { formatRelationship, parseRelationship, parseStoredRelationship } from '../../src/graph/relationship-text.js';

export const CONTRACT_SCHEMA = `
use expiration

caveat tier_is(tier string, wanted string) {
  tier == wanted
}

definition user {}

definition team {
  relation member: user | team#member
}

definition folder {
  relation parent: folder
  relation viewer: user | user:* | team#member | user with tier_is | user with expiration
  relation banned: user
  relation cleared: user
  permission view = viewer + parent->view
  permission view_unless_banned = view - banned
  permission view_if_cleared = view & cleared
  permission look = peek
  permission peek = viewer
}

definition page {
  relation shelf: folder
  relation box: folder
  relation cover: page
  permission read = shelf->look + box->look
  permission open = read
  permission turn = cover->open + box->view
}
`;

/** @param open opens a graph with {@link CONTRACT_SCHEMA} and no relationships */
export function relationshipsContract(name: string, open: () => Promise<RelationshipGraph>): void {
  describe(`relationships: ${name}`, () => {
    let graph: RelationshipGraph;
    beforeAll(async () => {
      graph = await open();
      return () => graph.close();
    });

    const write = (operation: UpdateOperation, ...texts: string[]): Promise<string> =>
      graph.write(
        texts.map((t) => ({ operation, relationship: parseRelationship(t) })),
        'test',
      );
    const readAll = async (filter: RelationshipFilter, limit: number): Promise<readonly Relationship[]> =>
      (await graph.read(filter, limit, 'full')).relationships;
    const ask = async (...checks: CheckRequest[]): Promise<readonly CheckAnswer[]> => graph.check(checks, 'full');
    const check = (
      resource: string,
      permission: string,
      user: string,
      more: Partial<CheckRequest> = {},
    ): CheckRequest => {
      const [type = '', id = ''] = resource.split(':');
      return { resource: { type, id }, permission, subject: { type: 'user', id: user }, ...more };
    };
    const results = async (...checks: CheckRequest[]): Promise<string[]> => (await ask(...checks)).map((a) => a.result);

    it('answers in order, each check for itself', async () => {
      await write('touch', 'folder:order#viewer@user:a');
      expect(
        await results(
          check('folder:order', 'view', 'a'),
          check('folder:order', 'view', 'b'),
          check('folder:order', 'view', 'a'),
        ),
      ).toEqual(['yes', 'no', 'yes']);
    });

    it('holds a write at the very next check, and its end too', async () => {
      for (let i = 0; i < 20; i += 1) {
        await write('touch', 'folder:next#viewer@user:a');
        expect(await results(check('folder:next', 'view', 'a'))).toEqual(['yes']);
        await write('delete', 'folder:next#viewer@user:a');
        expect(await results(check('folder:next', 'view', 'a'))).toEqual(['no']);
      }
    });

    it('never answers from before a write that is done, however many ask meanwhile', async () => {
      await write('touch', 'folder:busy#viewer@user:a');
      const asking = Array.from({ length: 50 }, () => results(check('folder:busy', 'view', 'a')));
      const gone = write('delete', 'folder:busy#viewer@user:a');
      await Promise.all([...asking, gone]);
      expect(await results(check('folder:busy', 'view', 'a'))).toEqual(['no']);
    });

    it('explains a yes by the relationships that grant it', async () => {
      await write(
        'touch',
        'folder:leaf#parent@folder:mid',
        'folder:mid#parent@folder:top',
        'folder:top#viewer@team:x#member',
        'team:x#member@team:y#member',
        'team:y#member@user:p',
      );
      const [answer] = await ask(check('folder:leaf', 'view', 'p', { explain: true }));
      expect(answer).toMatchObject({
        result: 'yes',
        path: [
          'folder:leaf#parent@folder:mid',
          'folder:mid#parent@folder:top',
          'folder:top#viewer@team:x#member',
          'team:x#member@team:y#member',
          'team:y#member@user:p',
        ],
      });
    });

    it.each([
      ['page:by-shelf', 'read', ['page:by-shelf#shelf@folder:shown', 'folder:shown#viewer@user:al']],
      ['page:by-box', 'open', ['page:by-box#box@folder:shown', 'folder:shown#viewer@user:al']],
      ['page:by-box', 'turn', ['page:by-box#box@folder:shown', 'folder:shown#viewer@user:al']],
      [
        'page:covered',
        'turn',
        ['page:covered#cover@page:by-shelf', 'page:by-shelf#shelf@folder:shown', 'folder:shown#viewer@user:al'],
      ],
    ])('explains %s#%s through aliases by the relations that are there', async (resource, permission, path) => {
      await write(
        'touch',
        'folder:shown#viewer@user:al',
        'page:by-shelf#shelf@folder:shown',
        'page:by-shelf#box@folder:shut',
        'page:by-box#box@folder:shown',
        'page:by-box#shelf@folder:shut',
        'page:covered#cover@page:by-shelf',
      );
      expect(await ask(check(resource, permission, 'al', { explain: true }))).toMatchObject([{ result: 'yes', path }]);
    });

    it('explains through the one of several parents that grants', async () => {
      await write(
        'touch',
        'folder:many#parent@folder:none1',
        'folder:many#parent@folder:gives',
        'folder:many#parent@folder:none2',
        'folder:gives#viewer@user:q',
      );
      const [answer] = await ask(check('folder:many', 'view', 'q', { explain: true }));
      expect(answer).toMatchObject({
        result: 'yes',
        path: ['folder:many#parent@folder:gives', 'folder:gives#viewer@user:q'],
      });
    });

    it('explains past many relationships of the same object', async () => {
      const others = Array.from({ length: 120 }, (_, i) => `folder:crowd#viewer@user:crowd-${i}`);
      await write('touch', ...others, 'folder:crowd#parent@folder:crowd-top', 'folder:crowd-top#viewer@user:s');
      const [answer] = await ask(check('folder:crowd', 'view', 's', { explain: true }));
      expect(answer).toMatchObject({
        result: 'yes',
        path: ['folder:crowd#parent@folder:crowd-top', 'folder:crowd-top#viewer@user:s'],
      });
    });

    it('explains an intersection by both its sides', async () => {
      await write('touch', 'folder:both#viewer@user:r', 'folder:both#cleared@user:r');
      const [answer] = await ask(check('folder:both', 'view_if_cleared', 'r', { explain: true }));
      expect(answer?.result === 'yes' ? [...(answer.path ?? [])].sort() : []).toEqual([
        'folder:both#cleared@user:r',
        'folder:both#viewer@user:r',
      ]);
    });

    it('takes any id there can be, and keeps them apart', async () => {
      const ids = ['*', 'a b', 'a=20b', 'ü', 'ü|x', 'x'.repeat(1024), '日本', '=', 'a@b#c:d'];
      for (const id of ids) {
        const resource = { type: 'folder', id };
        await graph.write(
          [{ operation: 'touch', relationship: { resource, relation: 'viewer', subject: { type: 'user', id } } }],
          'test',
        );
      }
      const answers = await ask(
        ...ids.flatMap((id) =>
          ids.map((other) => ({
            resource: { type: 'folder', id },
            permission: 'view',
            subject: { type: 'user', id: other },
          })),
        ),
      );
      expect(answers.map((a) => a.result)).toEqual(
        ids.flatMap((id) => ids.map((other) => (id === other ? 'yes' : 'no'))),
      );
      const [read] = await readAll({ resourceType: 'folder', resourceId: '*' }, 10);
      expect(read?.subject.id).toBe('*');
      expect(read?.wildcard).toBeUndefined();
    });

    describe('what another application wrote', () => {
      const writeForeign = (operation: UpdateOperation, ...texts: string[]): Promise<string> =>
        graph.write(
          texts.map((text) => ({ operation, relationship: parseStoredRelationship(text) })),
          'test',
        );
      const readTexts = async (resourceId: string): Promise<string[]> => {
        const { relationships } = await graph.read({ resourceType: 'folder' }, 10_000, 'full');
        return relationships.map(formatRelationship).filter((text) => text.startsWith(`folder:${resourceId}#`));
      };
      const withinMs = 5_000;

      it('is read as it is, grants what leads over it, and can be deleted', async () => {
        await writeForeign(
          'touch',
          'folder:foreign-kid#parent@folder:YWJj==',
          'folder:YWJj==#viewer@team:=c3=bc#member',
          'team:=c3=bc#member@user:guest',
        );
        expect(await readTexts('YWJj==')).toEqual(['folder:YWJj==#viewer@team:=c3=bc#member']);
        const [answer] = await ask(check('folder:foreign-kid', 'view', 'guest', { explain: true }));
        expect(answer).toMatchObject({
          result: 'yes',
          path: [
            'folder:foreign-kid#parent@folder:YWJj==',
            'folder:YWJj==#viewer@team:=c3=bc#member',
            'team:=c3=bc#member@user:guest',
          ],
        });
        await writeForeign('delete', 'folder:YWJj==#viewer@team:=c3=bc#member');
        expect(await readTexts('YWJj==')).toEqual([]);
        expect(await results(check('folder:foreign-kid', 'view', 'guest'))).toEqual(['no']);
      });

      it('is passed over by lookups where a question could not name it, and takes nothing else along', async () => {
        const id = fc.oneof(
          fc.string({
            unit: fc.constantFrom(...Array.from('=0123456789ABCDEFabcx/|+-_')),
            minLength: 1,
            maxLength: 12,
          }),
          fc.base64String({ minLength: 1, maxLength: 12 }),
          fc.constantFrom('=C3', '=c3=bc', '=0A', '=1Aa', 'e=CC=81', `${'x'.repeat(1023)}=`, 'x'.repeat(1024)),
        );
        let run = 0;
        await fc.assert(
          fc.asyncProperty(fc.uniqueArray(id, { minLength: 1, maxLength: 6 }), async (ids) => {
            run += 1;
            const user = `looker-${run}`;
            await writeForeign(
              'touch',
              ...ids.map((text) => `folder:${text}#banned@user:${user}`),
              ...ids.map((text) => `folder:foreign-${run}#banned@user:${text}`),
            );
            const named = ids.map(decodeId).filter((text) => !isForeignId(text));
            const found = { ids: named.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))) };
            const foreign = ids.length - named.length;
            const resources = { resourceType: 'folder', permission: 'banned', subject: { type: 'user', id: user } };
            expect(await graph.lookupResources({ ...resources, withinMs }, 'full')).toMatchObject({
              ...found,
              foreign,
            });
            const subjects = { resource: { type: 'folder', id: `foreign-${run}` }, permission: 'banned' };
            expect(await graph.lookupSubjects({ ...subjects, subjectType: 'user', withinMs }, 'full')).toMatchObject({
              ...found,
              foreign,
            });
            expect((await readTexts(`foreign-${run}`)).sort()).toEqual(
              ids.map((text) => `folder:foreign-${run}#banned@user:${text}`).sort(),
            );
            await writeForeign('delete', ...ids.map((text) => `folder:${text}#banned@user:${user}`));
          }),
          { numRuns: 25 },
        );
      });
    });

    it('tells the real wildcard from the id', async () => {
      await write('touch', 'folder:open#viewer@user:*');
      expect(await results(check('folder:open', 'view', 'anyone'))).toEqual(['yes']);
      expect((await readAll({ resourceType: 'folder', resourceId: 'open' }, 10)).map(formatRelationship)).toEqual([
        'folder:open#viewer@user:*',
      ]);
    });

    it('ends a relationship at its expiration', async () => {
      const soon = new Date(Date.now() + 3000).toISOString();
      await write(
        'touch',
        `folder:soon#viewer@user:a[expiration:${soon}]`,
        'folder:past#viewer@user:a[expiration:2020-01-01T00:00:00Z]',
      );
      expect(await results(check('folder:soon', 'view', 'a'), check('folder:past', 'view', 'a'))).toEqual([
        'yes',
        'no',
      ]);
      await new Promise((resolve) => setTimeout(resolve, 3300));
      expect(await results(check('folder:soon', 'view', 'a'))).toEqual(['no']);
    });

    it('says what a caveat still needs, and takes it from the check', async () => {
      await write('touch', 'folder:tier#viewer@user:a[tier_is:{"wanted":"gold"}]');
      const [bare] = await ask(check('folder:tier', 'view', 'a'));
      expect(bare).toMatchObject({ result: 'conditional', missing: ['tier'] });
      expect(
        await results(
          check('folder:tier', 'view', 'a', { context: { tier: 'gold' } }),
          check('folder:tier', 'view', 'a', { context: { tier: 'lead' } }),
        ),
      ).toEqual(['yes', 'no']);
    });

    it('lets one bad check deny no neighbour', async () => {
      await write('touch', 'folder:fine#viewer@user:a');
      const [good, bad, typed] = await ask(
        check('folder:fine', 'view', 'a'),
        check('folder:fine', 'no_such', 'a'),
        check('folder:tier', 'view', 'a', { context: { tier: 3 } }),
      );
      expect(good?.result).toBe('yes');
      expect(bad?.result).toBe('unanswerable');
      expect(typed?.result).toBe('unanswerable');
    });

    it('ends what is too deep or goes round, without calling it an outage', async () => {
      await write('touch', 'folder:r1#parent@folder:r2', 'folder:r2#parent@folder:r1');
      const [round] = await ask(check('folder:r1', 'view', 'a'));
      expect(['no', 'unanswerable']).toContain(round?.result);
      const chain = Array.from({ length: 60 }, (_, i) => `folder:d${i}#parent@folder:d${i + 1}`);
      await write('touch', ...chain, 'folder:d60#viewer@user:deep');
      expect(await results(check('folder:d0', 'view', 'deep'))).toEqual(['unanswerable']);
      expect(await results(check('folder:d40', 'view', 'deep'))).toEqual(['yes']);
    });

    it('writes all or nothing, and says what was wrong', async () => {
      const refused = write('touch', 'folder:half#viewer@user:a', 'folder:half#no_such@user:a');
      await expect(refused).rejects.toMatchObject({
        name: 'BadRequest',
        status: 400,
        message: expect.stringContaining('no_such') as string,
      });
      expect(await results(check('folder:half', 'view', 'a'))).toEqual(['no']);
      await write('create', 'folder:made#viewer@user:a');
      await expect(write('create', 'folder:made#viewer@user:a')).rejects.toMatchObject({
        name: 'BadRequest',
        status: 409,
        code: 'already_exists',
      });
    });

    it('reads by every part of a relationship, up to a limit', async () => {
      await write('touch', ...Array.from({ length: 30 }, (_, i) => `folder:list#viewer@user:u${i}`));
      expect(await readAll({ resourceType: 'folder', resourceId: 'list' }, 10)).toHaveLength(10);
      expect(await readAll({ resourceType: 'folder', resourceId: 'list' }, 100)).toHaveLength(30);
      expect(
        (await readAll({ resourceType: 'folder', relation: 'viewer', subjectType: 'user', subjectId: 'u7' }, 100)).map(
          formatRelationship,
        ),
      ).toEqual(['folder:list#viewer@user:u7']);
      expect(await readAll({ resourceType: 'folder', resourceId: 'absent' }, 10)).toEqual([]);
    });

    it('reads only usersets, only single subjects, or only the wildcard', async () => {
      const rows = ['folder:kinds#viewer@team:x#member', 'folder:kinds#viewer@user:*', 'folder:kinds#viewer@user:a'];
      await write('touch', ...rows);
      const readKind = async (kind: Partial<RelationshipFilter>): Promise<string[]> =>
        (await readAll({ resourceType: 'folder', resourceId: 'kinds', ...kind }, 10)).map(formatRelationship).sort();
      expect(await readKind({})).toEqual(rows);
      expect(await readKind({ subjectType: 'team', subjectRelation: 'member' })).toEqual([rows[0]]);
      expect(await readKind({ subjectType: 'team', subjectRelation: '' })).toEqual([]);
      expect(await readKind({ subjectType: 'user', subjectRelation: '' })).toEqual([rows[1], rows[2]]);
      expect(await readKind({ subjectType: 'user', wildcard: true })).toEqual([rows[1]]);
      expect(await readKind({ subjectType: 'user', subjectId: '*' })).toEqual([]);
      await write('delete', ...rows);
    });

    it('writes only where what must be absent is, and over what has expired', async () => {
      const until = (instant: string) => parseRelationship(`folder:given#viewer@user:a[expiration:${instant}]`);
      const give = (relationship: Relationship): Promise<string> =>
        graph.write([{ operation: 'touch', relationship }], 'test', { absent: [relationship] });
      const stored = async (): Promise<string[]> =>
        (await readAll({ resourceType: 'folder', resourceId: 'given' }, 10)).map(formatRelationship);
      await give(until('2099-01-01T00:00:00Z'));
      await expect(give(until('2098-01-01T00:00:00Z'))).rejects.toThrow(BadRequest);
      expect(await stored()).toEqual(['folder:given#viewer@user:a[expiration:2099-01-01T00:00:00Z]']);
      await write('touch', 'folder:given#viewer@user:a[expiration:2001-01-01T00:00:00Z]');
      await give(until('2098-01-01T00:00:00Z'));
      expect(await stored()).toEqual(['folder:given#viewer@user:a[expiration:2098-01-01T00:00:00Z]']);
      await write('delete', 'folder:given#viewer@user:a');
    });

    it('takes its own ZedTokens and no others', async () => {
      const token = await write('touch', 'folder:zed#viewer@user:a');
      expect(graph.tokenProblem(token)).toBeUndefined();
      expect(await graph.check([check('folder:zed', 'view', 'a')], { atLeast: token })).toMatchObject([
        { result: 'yes' },
      ]);
      expect(graph.tokenProblem('bm90IG91cnM')).toContain('not a ZedToken of this deployment');
    });

    it('decides five thousand checks asked at once', async () => {
      const checks = Array.from({ length: 5000 }, (_, i) => check('folder:list', 'view', `u${i % 60}`));
      const answers = await ask(...checks);
      expect(answers.filter((a) => a.result === 'yes')).toHaveLength(
        checks.filter((c) => Number(c.subject.id.slice(1)) < 30).length,
      );
    });

    it.each([
      ['a number that is none', Number.POSITIVE_INFINITY],
      ['a text that is not well-formed', '\ud800'],
      ['a value of a wrong type', { deep: [null, { a: 1 }] }],
      ['a text as long as a message may be', 'x'.repeat(5_000_000)],
      ['what nests too deep', JSON.parse('['.repeat(3_000) + ']'.repeat(3_000)) as unknown],
    ])('does not deny the neighbours of a check whose context has %s', async (_, tier) => {
      await write(
        'touch',
        'folder:odd#viewer@user:peculiar[tier_is:{"wanted":"gold"}]',
        'folder:fine#viewer@user:peculiar',
      );
      const fine = Array.from({ length: 9 }, () => check('folder:fine', 'view', 'peculiar'));
      const odd = check('folder:odd', 'view', 'peculiar', { context: { tier } });
      const [first, answer, ...rest] = await ask(fine[0] ?? never(), odd, ...fine);
      expect([first, ...rest].map((neighbour) => neighbour?.result)).toEqual(Array(10).fill('yes'));
      expect(answer?.result).not.toBe('yes');
      // Another call that travels with it is as good as a neighbour.
      const [[good], [bad]] = await Promise.all([ask(check('folder:fine', 'view', 'peculiar')), ask(odd)]);
      expect([good?.result, bad?.result === 'yes']).toEqual(['yes', false]);
    });

    describe('one revision', () => {
      /** A transaction moves a user's only relationship from one folder to the next, as a token passed around a ring. */
      const RING = Array.from({ length: 8 }, (_, i) => `baton-${i}`);
      const inRing = (i: number): string => `folder:${RING[i % RING.length] ?? ''}#viewer@user:runner`;
      const ringChecks = RING.map((id) => check(`folder:${id}`, 'view', 'runner', { explain: true }));
      const subject = { type: 'user', id: 'runner' };
      const positions = (answers: readonly CheckAnswer[]): string[] =>
        RING.filter((_, i) => answers[i]?.result === 'yes');

      /** Moves it until `work` is done. */
      const whileMoving = async (work: () => Promise<void>): Promise<void> => {
        await write('touch', inRing(0));
        const until = { isDone: false };
        const moving = (async (): Promise<number> => {
          let moves = 0;
          for (; !until.isDone; moves += 1)
            await graph.write(
              [
                { operation: 'delete', relationship: parseRelationship(inRing(moves)) },
                { operation: 'touch', relationship: parseRelationship(inRing(moves + 1)) },
              ],
              'test',
            );
          await write('delete', inRing(moves));
          return moves;
        })();
        try {
          await work();
        } finally {
          until.isDone = true;
          expect(await moving).toBeGreaterThan(1);
        }
      };

      it('holds for the checks of a call, kept answers too, and names itself', async () => {
        await whileMoving(async () => {
          const asking = async (): Promise<void> => {
            for (let i = 0; i < 30; i += 1) {
              // Single checks are kept, where answers are kept.
              const [single, answers] = await Promise.all([ask(ringChecks[i % 8] ?? never()), ask(...ringChecks)]);
              expect(single).toHaveLength(1);
              expect(positions(answers)).toHaveLength(1);
              expect(new Set(answers.map((answer) => 'revision' in answer && answer.revision)).size).toBe(1);
            }
          };
          await Promise.all(Array.from({ length: 8 }, asking));
        });
      });

      it('holds for calls longer than a bulk', async () => {
        const others = Array.from({ length: 700 }, (_, i) => check(`folder:other-${i}`, 'view', 'runner'));
        const [first, ...rest] = ringChecks;
        const long = [first ?? never(), ...others, ...rest];
        await whileMoving(async () => {
          for (let i = 0; i < 6; i += 1) {
            const answers = await ask(...long);
            expect(answers.filter(({ result }) => result === 'yes')).toHaveLength(1);
          }
        });
      });

      it('holds for everything that is asked of one snapshot', async () => {
        await whileMoving(async () => {
          const asking = async (): Promise<void> => {
            for (let i = 0; i < 10; i += 1) {
              const snapshot = new GraphSnapshot(graph, 'full');
              const [checked, again, read, lookedUp] = [
                await snapshot.check(ringChecks.slice(0, 4)),
                await Promise.all(ringChecks.map((request) => snapshot.check([request]))),
                await snapshot.read({ resourceType: 'folder', subjectType: 'user', subjectId: 'runner' }, 10),
                await snapshot.lookupResources({
                  resourceType: 'folder',
                  permission: 'viewer',
                  subject,
                  withinMs: 5000,
                }),
              ];
              const holding = RING.filter((_, n) => again[n]?.[0]?.result === 'yes');
              expect(holding).toHaveLength(1);
              expect(positions(checked)).toEqual(holding.filter((id) => RING.indexOf(id) < 4));
              expect(read.relationships.map(({ resource }) => resource.id)).toEqual(holding);
              expect(lookedUp.ids.filter((id) => RING.includes(id))).toEqual(holding);
              expect([read.revision, lookedUp.revision]).toEqual([snapshot.revision, snapshot.revision]);
              const path = again.flat().flatMap((answer) => (answer.result === 'yes' ? answer.path : undefined) ?? []);
              expect(path).toEqual([`folder:${holding[0] ?? ''}#viewer@user:runner`]);
            }
          };
          await Promise.all(Array.from({ length: 4 }, asking));
        });
      });

      it('is that of a lookup, where a snapshot begins with one', async () => {
        await whileMoving(async () => {
          for (let i = 0; i < 20; i += 1) {
            const snapshot = new GraphSnapshot(graph, 'full');
            const lookup = { resourceType: 'folder', permission: 'viewer', subject, withinMs: 5000 };
            const [{ ids }, answers] = await Promise.all([
              snapshot.lookupResources(lookup),
              snapshot.check(ringChecks),
            ]);
            expect(positions(answers)).toEqual(ids.filter((id) => RING.includes(id)));
          }
        });
      });

      it('that is none is an outage', async () => {
        const [answer] = await graph.check([ringChecks[0] ?? never()], { exactly: 'bm9uZQ' });
        expect(answer).toMatchObject({ result: expect.stringMatching(/unknown|unanswerable/) as string });
      });
    });

    describe('lookups', () => {
      /** The ids without the folders of these tests that a wildcard opens. */
      const resources = async (permission: string, user: string, context?: Readonly<Record<string, unknown>>) => {
        const subject = { type: 'user', id: user };
        const found = await graph.lookupResources(
          { resourceType: 'folder', permission, subject, context, withinMs: 5000 },
          'full',
        );
        expect(found.complete).toBe(true);
        return found.ids.filter((id) => !['open', 'look-all'].includes(id));
      };
      const subjects = (id: string, permission: string, context?: Readonly<Record<string, unknown>>) =>
        graph.lookupSubjects(
          { resource: { type: 'folder', id }, permission, subjectType: 'user', context, withinMs: 5000 },
          'full',
        );

      it('find every resource that a check would say yes to, in order', async () => {
        await write(
          'touch',
          'folder:look-b#viewer@user:looker',
          'folder:look-a#viewer@team:look#member',
          'team:look#member@user:looker',
          'folder:look-c#parent@folder:look-a',
          'folder:look-d#viewer@user:looker',
          'folder:look-d#banned@user:looker',
          'folder:=C3=A9#viewer@user:looker',
          'folder:look-b#viewer@team:look#member',
        );
        expect(await resources('view', 'looker')).toEqual(['look-a', 'look-b', 'look-c', 'look-d', 'é']);
        expect(await resources('view_unless_banned', 'looker')).not.toContain('look-d');
        expect(await resources('view', 'nobody-at-all')).toEqual([]);
      });

      it('name what may be held with more context, and leave out what is not held with what is given', async () => {
        await write('touch', 'folder:look-tier#viewer@user:tiered[tier_is:{"wanted":"gold"}]');
        expect(await resources('view', 'tiered')).toEqual(['look-tier']);
        expect(await resources('view', 'tiered', { tier: 'gold' })).toEqual(['look-tier']);
        expect(await resources('view', 'tiered', { tier: 'lead' })).toEqual([]);
        expect((await subjects('look-tier', 'view')).ids).toEqual(['tiered']);
        expect((await subjects('look-tier', 'view', { tier: 'lead' })).ids).toEqual([]);
        expect((await subjects('look-tier', 'view', { tier: 'gold' })).ids).toEqual(['tiered']);
      });

      it('find everybody who holds a permission, and say where it is everybody', async () => {
        await write(
          'touch',
          'folder:look-who#viewer@team:look-who#member',
          'team:look-who#member@user:z',
          'team:look-who#member@user:a',
          'folder:look-who#viewer@user:=2A',
        );
        expect(await subjects('look-who', 'view')).toMatchObject({
          ids: ['*', 'a', 'z'],
          foreign: 0,
          wildcardExclusions: undefined,
        });
        await write(
          'touch',
          'folder:look-all#viewer@user:*',
          'folder:look-all#viewer@user:a',
          'folder:look-all#banned@user:b',
        );
        expect(await subjects('look-all', 'view')).toMatchObject({ ids: ['a'], wildcardExclusions: [] });
        expect(await subjects('look-all', 'view_unless_banned')).toMatchObject({
          ids: ['a'],
          wildcardExclusions: ['b'],
        });
        expect(await subjects('look-nowhere', 'view')).toMatchObject({ ids: [], wildcardExclusions: undefined });
      });

      it('see a write at once, and refuse what the schema does not know', async () => {
        await write('touch', 'folder:look-late#viewer@user:late');
        expect(await resources('view', 'late')).toEqual(['look-late']);
        await write('delete', 'folder:look-late#viewer@user:late');
        expect(await resources('view', 'late')).toEqual([]);
        await expect(resources('edit', 'late')).rejects.toMatchObject({ name: 'BadRequest' });
      });

      it('find more than one page of what SpiceDB answers at once', async () => {
        const many = Array.from(
          { length: 2500 },
          (_, i) => `folder:many-${String(i).padStart(4, '0')}#viewer@user:many`,
        );
        for (let from = 0; from < many.length; from += 1000) await write('touch', ...many.slice(from, from + 1000));
        expect(await resources('view', 'many')).toEqual(many.map((text) => text.slice(7, 16)));
      });

      it('leave out nothing that a check says yes to, where SpiceDB takes it for a matter of context', async () => {
        const ids = Array.from({ length: 60 }, (_, i) => `mixed-${String(i).padStart(2, '0')}`);
        await write(
          'touch',
          ...ids.slice(0, 30).map((id) => `folder:${id}#viewer@user:mixed`),
          ...ids.filter((_, i) => i % 3 === 0).map((id) => `folder:${id}#parent@folder:mixed`),
          'folder:mixed#viewer@user:mixed[tier_is:{"wanted":"gold"}]',
        );
        const checks = await results(...ids.map((id) => check(`folder:${id}`, 'view_unless_banned', 'mixed')));
        expect(checks.slice(0, 30)).toEqual(Array.from({ length: 30 }, () => 'yes'));
        const found = await resources('view_unless_banned', 'mixed');
        expect(found).toEqual(expect.arrayContaining(ids.filter((_, i) => checks[i] === 'yes')));
      });

      it('stop at a limit, and say whether there may be more', async () => {
        const all = ['a', 'b', 'c'].map((letter) => `few-${letter}`);
        await write('touch', ...all.map((id) => `folder:${id}#banned@user:few`));
        const subject = { type: 'user', id: 'few' };
        const few = (limit: number) =>
          graph.lookupResources(
            { resourceType: 'folder', permission: 'banned', subject, limit, withinMs: 5000 },
            'full',
          );
        expect(await few(4)).toMatchObject({ ids: all, foreign: 0, complete: true });
        for (const limit of [1, 2, 3]) {
          const { ids, complete } = await few(limit);
          expect([ids.length, complete]).toEqual([limit, false]);
          expect(all).toEqual(expect.arrayContaining([...ids]));
        }
        // More than one page of SpiceDB's.
        const subjectOfMany = { type: 'user', id: 'many' };
        const many = (limit: number) =>
          graph.lookupResources(
            { resourceType: 'folder', permission: 'view', subject: subjectOfMany, limit, withinMs: 5000 },
            'full',
          );
        const { ids, complete } = await many(2200);
        expect([ids.length, new Set(ids).size, complete]).toEqual([2200, 2200, false]);
        expect((await many(5000)).complete).toBe(true);
        expect(await readAll({ resourceType: 'folder', subjectType: 'user', subjectId: 'many' }, 1001)).toHaveLength(
          1001,
        );
      });

      // This test comes last: after such lookups few others are allowed for a while.
      it('that go in a circle end when their time is up', async () => {
        await write(
          'touch',
          'team:ring-a#member@team:ring-b#member',
          'team:ring-b#member@team:ring-a#member',
          'team:ring-a#member@team:ring-a#member',
          'team:ring-b#member@user:ring',
          'folder:ring#viewer@team:ring-a#member',
        );
        const subject = { type: 'user', id: 'ring' };
        const began = performance.now();
        const lookups = [
          graph.lookupResources({ resourceType: 'folder', permission: 'view', subject, withinMs: 100 }, 'full'),
          graph.lookupSubjects(
            { resource: { type: 'folder', id: 'ring' }, permission: 'view', subjectType: 'user', withinMs: 100 },
            'full',
          ),
        ];
        // They end with their time, or before it, where SpiceDB notices the depth, with whatever message.
        for (const ended of await Promise.allSettled(lookups))
          expect(ended).toMatchObject({ status: 'rejected', reason: { code: expect.any(String) as string } });
        expect(performance.now() - began).toBeLessThan(25_000);
      });
    });
  });
}

function never(): never {
  throw new TypeError('the test asks past its list');
}
