/** The clients of a configuration, as far as their keys aren't tested with the calls that they are for. */
import { beforeAll, describe, expect, it } from 'vitest';
import { loadRules } from '../../src/policy/load.js';
import { readSources } from '../../src/config/files.js';
import type { ReplayableRecord } from '../../src/model/decision.js';
import { parseRecord } from '../../src/records/parse-record.js';
import { redecide } from '../../src/records/redecide.js';
import { clientFormat } from '../../src/config/clients.js';
import { clientNamed, codes, startFiles, type Answer, type Running } from '../support/sample.js';

const FILES = {
  'schema.zed': 'definition user {}\ndefinition agent {}\ndefinition doc {\n  relation reader: user\n  permission read = reader\n}\n',
  'schema.cedarschema': `entity User, Agent;
entity Doc { @class("pii") name?: String };
action "read" appliesTo { principal: [User, Agent], resource: [Doc] };
`,
  'policies/all.cedar': `@id("all") permit (principal, action, resource);
@id("hide") @duty("mask:pii, notification:owner") permit (principal, action, resource);
`,
  'world.yaml': 'relationships: doc:plan#reader@user:ann\nentities: [{ type: doc, id: plan, attributes: { name: Plan } }]\n',
}; // prettier-ignore
const vouching = (id: string, more: object = {}): object => ({
  ...clientNamed(id, 'x', 'evaluate', 'filter', 'search', 'asserts_subject', 'read_values', 'admin'),
  default_mode: 'human',
  supported_obligations: undefined,
  ...more,
});

describe('supported_obligations of a client', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await startFiles(FILES, {
      clients: [
        vouching('silent'),
        vouching('masking', { supported_obligations: ['mask'] }),
        vouching('able', { supported_obligations: ['mask', 'notification'] }),
      ],
    });
    return () => remit.stop();
  });
  const QUESTION = {
    subject: { type: 'user', id: 'ann' },
    action: { name: 'read' },
    resource: { type: 'doc', id: 'plan' },
  };
  const ask = async (client: string, context?: object): Promise<Answer> => {
    const body = { ...QUESTION, ...(context === undefined ? {} : { context }) };
    const response = await remit.post('/access/v1/evaluation', body, { authorization: `Bearer ${client}-key` });
    expect(response.statusCode, response.body).toBe(200);
    return response.json();
  };

  it.each<[string, object | undefined, string | undefined]>([
    ['silent', undefined, 'mask, notification'],
    ['silent', {}, 'mask, notification'],
    ['silent', { supported_obligations: ['notification'] }, 'mask'],
    ['silent', { supported_obligations: ['mask', 'notification'] }, undefined],
    ['masking', undefined, 'notification'],
    ['able', undefined, undefined],
    ['able', {}, undefined],
    // What the request says counts alone.
    ['able', { supported_obligations: ['mask'] }, 'notification'],
    ['able', { supported_obligations: [] }, 'mask, notification'],
  ])('counts where its request says nothing: %s with %j', async (client, context, lacking) => {
    const answer = await ask(client, context);
    expect([answer.decision, codes(answer)]).toEqual(
      lacking === undefined ? [true, []] : [false, ['obligation_unsupported']],
    );
    if (lacking === undefined)
      expect(answer.context?.obligations.map(({ type }) => type)).toEqual(['mask', 'notification']);
    else
      expect(answer.context?.reasons[0]?.message).toBe(
        `Neither the request nor the configuration of its client says that it can carry out: ${lacking}.`,
      );
    // Its record comes out the same.
    const id = answer.context?.id ?? '';
    const found = await remit.app.inject({
      url: `/v1/decisions/${id}?values=true`,
      headers: { host: `127.0.0.1:${remit.service.config.port}`, authorization: `Bearer ${client}-key` },
    });
    const record = parseRecord(found.json(), id);
    const rules = loadRules(readSources(remit.service.config.sources));
    expect(redecide(record as ReplayableRecord, rules).decision).toMatchObject({ decision: answer.decision });
  });

  it('counts in lists, where the filter carries out masks by itself', async () => {
    const list = async (client: string): Promise<unknown> => {
      const records = [{ type: 'doc', id: 'plan', properties: { name: 'Plan' } }];
      const { resource: _resource, ...shared } = QUESTION;
      const headers = { authorization: `Bearer ${client}-key` };
      const filtered = await remit.post('/v1/filter', { ...shared, records }, headers);
      const found = await remit.post('/access/v1/search/resource', { ...shared, resource: { type: 'doc' } }, headers);
      return [filtered.json<{ records: object[] }>().records.length, found.json<{ results: object[] }>().results.length];
    };
    expect(await Promise.all(['silent', 'masking', 'able'].map(list))).toEqual([[0, 0], [0, 0], [1, 1]]);
  }); // prettier-ignore
});

it('A client’s keys that are none, or that are not built yet, are told with those that there are', async () => {
  const refusalOf = (more: object): Promise<string> =>
    startFiles(FILES, { clients: [vouching('a', more)] }).then(
      async (remit) => {
        await remit.stop();
        return 'taken';
      },
      (error: unknown) => (error as Error).message,
    );
  expect(await refusalOf({ supported_obligations: ['masks'] })).toMatch(
    /clients\[0\]\.supported_obligations\[0\]: is not one of those there are: mask, visible_fields, notification \(did you mean "mask"\?\)/,
  );
  expect(await refusalOf({ may: ['plan'] })).toMatch(
    /clients\[0\]\.may\[0\]: is not one of those there are: evaluate, search, filter, .*, admin$/,
  );
  expect(await refusalOf({ certificate: 'x' })).toMatch(
    /clients\[0\]\.certificate: unknown key; there are: id, key_sha256, token, may, .*, callbacks$/,
  );
  expect(await refusalOf({ ressources: ['doc'] })).toMatch(/unknown key \(did you mean "resources"\?\)/);
});

describe('callbacks', () => {
  const parse = (callbacks: unknown): boolean =>
    clientFormat.safeParse({ id: 'c', key_sha256: '0'.repeat(64), callbacks }).success;

  it.each(['https://api.example/told?by=remit', 'http://127.0.0.1:9000/told', 'http://localhost/', 'http://[::1]:1/'])(
    'takes %s',
    (url) => {
      expect(parse([url])).toBe(true);
    },
  );

  it.each([
    'http://api.example/',
    'ftp://127.0.0.1/',
    'https://me:key@api.example/',
    '/told',
    'x',
    'http://127.0.0.1.example/',
  ])('refuses %s', (url) => {
    expect(parse([url])).toBe(false);
  });

  it('takes no more than sixteen', () => {
    expect(parse(Array.from({ length: 17 }, (_, i) => `https://api.example/${i}`))).toBe(false);
  });
});
