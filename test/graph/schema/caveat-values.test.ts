/** An IPv4 address has one reading in caveats, however a request or a stored relationship spells it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { examineWorld } from '../../../src/config/world.js';
import type { CaveatType } from '../../../src/graph/schema/caveat-value-types.js';
import { readCaveatValue } from '../../../src/graph/schema/caveat-values.js';
import { BadRequest } from '../../../src/model/faults.js';
import { codes, start, type Running } from '../../support/sample.js';
import { collectCleanups } from '../../support/cleanups.js';

const ADDRESS: CaveatType = { name: 'ipaddress', generics: [] };
const TEXT: CaveatType = { name: 'string', generics: [] };
const list = (element: CaveatType): CaveatType => ({ name: 'list', generics: [element] });
const map = (element: CaveatType): CaveatType => ({ name: 'map', generics: [element] });

describe('a value', () => {
  const hex = (high: number, low: number): string => ((high << 8) | low).toString(16);

  it('reads every spelling of an IPv4 address alike, at any depth', () => {
    fc.assert(
      fc.property(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)), ([a, b, c, d]) => {
        const address = [a, b, c, d].join('.');
        const tail = `${hex(a, b)}:${hex(c, d)}`;
        for (const text of [address, `::ffff:${address}`, `::FFFF:${tail}`, `0:0:0:0:0:ffff:${tail}`]) {
          expect(readCaveatValue([ADDRESS], text, 'ip')).toBe(address);
          expect(readCaveatValue([map(list(ADDRESS))], { x: ['::1', text] }, 'ip')).toEqual({ x: ['::1', address] });
        }
      }),
    );
  });

  it.each<[CaveatType, unknown, string]>([
    [ADDRESS, '10.0.0.1/32', 'ip'],
    [ADDRESS, '::10.0.0.1', 'ip'],
    [ADDRESS, 'fe80::1%eth0', 'ip'],
    [ADDRESS, '010.0.0.1', 'ip'],
    [ADDRESS, 'home', 'ip'],
    [ADDRESS, 5, 'ip'],
    [list(ADDRESS), ['10.0.0.1', ' 10.0.0.1'], 'ip[1]'],
    [map(list(ADDRESS)), { a: ['::1', ''] }, 'ip.a[1]'],
  ])('of %j that is %j is refused at its place', (type, value, at) => {
    expect(() => readCaveatValue([type], value, 'ip')).toThrow(
      new BadRequest('must be an IP address such as "10.0.0.1"', at),
    );
  });

  it('is left alone where no address is declared, or its shape is another', () => {
    const values = ['::ffff:10.0.0.1', ['::ffff:10.0.0.1'], null, 5];
    for (const value of values) {
      expect(readCaveatValue([TEXT], value, 'ip')).toBe(value);
      expect(readCaveatValue([list(TEXT)], value, 'ip')).toBe(value);
    }
    expect(readCaveatValue([list(ADDRESS)], '::ffff:10.0.0.1', 'ip')).toBe('::ffff:10.0.0.1');
    expect(readCaveatValue([ADDRESS], null, 'ip')).toBeNull();
  });

  it('that two caveats would read differently is refused', () => {
    expect(() => readCaveatValue([TEXT, ADDRESS], '::ffff:10.0.0.1', 'ip')).toThrow(BadRequest);
    expect(readCaveatValue([TEXT, ADDRESS], '10.0.0.1', 'ip')).toBe('10.0.0.1');
  });
});

const ZED = `
caveat outside(ip ipaddress, known list<ipaddress>) { !ip.in_cidr("10.0.0.0/8") && !(ip in known) }
caveat within(ip ipaddress) { ip.in_cidr("10.0.0.0/8") }
definition user {}
definition doc {
  relation guest: user with outside
  relation staff: user with within
  permission view = guest + staff
}
`;
const SCHEMA = `
entity User; entity Doc;
action "view" appliesTo { principal: [User], resource: [Doc] };
`;
const files = {
  'graph.zed': ZED,
  'schema.cedarschema': SCHEMA,
  'all.cedar': '@id("all") permit (principal, action, resource);',
  'world.yaml':
    'relationships: |\n  doc:a#guest@user:ann[outside:{"known":["192.0.2.1"]}]\n  doc:b#staff@user:ann[within]\n',
  'remit.yaml': stringify({
    schema: { relationships: 'graph.zed', actions: 'schema.cedarschema' },
    policies: '.',
    world: 'world.yaml',
    issuers: [],
    clients: [],
  }),
};
const directory = mkdtempSync(join(tmpdir(), 'remit-caveats-'));
let remit: Running;
const onSuiteFinished = collectCleanups();
onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
beforeAll(async () => {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  remit = await start(join(directory, 'remit.yaml'));
  onSuiteFinished(() => remit.stop());
});

describe('a request', () => {
  const question = (id: string, ip: unknown) => ({
    subject: { type: 'user', id: 'ann' },
    action: { name: 'view' },
    resource: { type: 'doc', id },
    context: { mode: 'human', ip },
  });

  it.each([
    ['a', '10.0.0.1', false],
    ['a', '::ffff:10.0.0.1', false],
    ['a', '::ffff:a00:1', false],
    ['a', '::ffff:192.0.2.1', false],
    ['a', '::ffff:198.51.100.1', true],
    ['b', '::ffff:10.0.0.1', true],
    ['b', '::ffff:198.51.100.1', false],
  ])('about %s from %s is answered as the IPv4 address would be: %s', async (id, ip, decision) => {
    const answer = await remit.evaluate(question(id, ip));
    expect(answer.decision).toBe(decision);
    expect(codes(answer)).toEqual(decision ? [] : [expect.stringMatching('relationship_missing')]);
    const search = { ...question(id, ip), resource: { type: 'doc' } };
    const found = (await remit.post('/access/v1/search/resource', search)).json<{ results: { id: string }[] }>();
    expect(found.results.some((one) => one.id === id)).toBe(decision);
    const subjects = { ...question(id, ip), subject: { type: 'user' } };
    const holders = (await remit.post('/access/v1/search/subject', subjects)).json<{ results: { id: string }[] }>();
    expect(holders.results.some((one) => one.id === 'ann')).toBe(decision);
  });

  it.each([
    ['/access/v1/evaluation', {}],
    ['/access/v1/search/resource', { resource: { type: 'doc' } }],
    ['/access/v1/search/subject', { subject: { type: 'user' } }],
  ])('to %s with a text that is no address is refused with its place', async (url, part) => {
    const response = await remit.post(url, { ...question('b', 'fe80::1%eth0'), ...part });
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({ error: { at: 'context.ip' } });
  });
});

describe('a stored context', () => {
  const MAPPED = [
    ['doc:c#guest@user:ann[outside:{"known":["192.0.2.1","::ffff:10.0.0.1"]}]', 'known[1]'],
    ['doc:c#staff@user:ann[within:{"ip":"::ffff:a00:1"}]', 'ip'],
  ] as const;

  it.each(MAPPED)('of %s is refused by the API, and can be deleted', async (relationship, at) => {
    const body = (operation: string) => ({ updates: [{ operation, relationship }] });
    for (const operation of ['touch', 'create']) {
      const response = await remit.post('/v1/relationships', body(operation));
      expect(response.statusCode).toBe(400);
      const { error } = response.json<{ error: { at: string; message: string } }>();
      expect(error.at).toBe('updates[0].relationship');
      expect(error.message).toContain(`${at} must be written as the IPv4 address "10.0.0.1"`);
    }
    expect((await remit.post('/v1/relationships', body('delete'))).statusCode).toBe(200);
  });

  it.each(MAPPED)('of %s is refused in a world', (relationships, at) => {
    const problems: string[] = [];
    const { rules } = remit.service.activePolicies;
    examineWorld({ relationships, entities: [] }, rules, ({ message }) => problems.push(message));
    expect(problems).toEqual([expect.stringContaining(`${at} must be written as the IPv4 address "10.0.0.1"`)]);
  });
});
