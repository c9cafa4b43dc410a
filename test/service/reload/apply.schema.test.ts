/** A SpiceDB schema that changes under a running service: taken with the relationships that there are, or not at all. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../../src/config/config.js';
import { readSources } from '../../../src/config/files.js';
import { loadRules } from '../../../src/policy/load.js';
import { openService } from '../../../src/service/service.js';
import { sha256 } from '../../../src/runtime/sha256.js';
import { startReloading } from '../../../src/service/reload/start-reloading.js';
import { clientNamed } from '../../support/sample.js';
import { BINARY, named, startSpiceDb } from '../../support/spicedb.js';
import {
  approve,
  ask,
  becomes,
  FREEZE,
  hears,
  restore,
  sample,
  SOON,
  startLive,
  write,
  writeCompany,
  type Live,
} from './company.js';

const zed = sample('schema/acme.zed');
/** Nobody sees anybody by being their manager any more. */
const NARROW = zed.replace('permission view = manage', 'permission view = compensation_viewer');
/** One more relation, which nothing asks for. */
const WIDER = zed.replace('relation manager: user', 'relation manager: user\n  relation assistant: user');

describe('with the embedded SpiceDB', () => {
  let live: Live;
  let first: string;
  const version = (): string => live.remit.service.activePolicies.rules.version;
  beforeAll(async () => {
    live = await startLive();
    first = version();
    return () => live.end();
  });
  beforeEach(() => {
    live.said.length = 0;
  });

  it('a permission that has changed holds for the next decisions, and the relationships are there', async () => {
    await live.remit.touch('employee:erin#compensation_viewer@user:carol');
    expect((await ask(live)).decision).toBe(true);
    write(live, 'schema/acme.zed', NARROW);
    approve();
    await becomes(live, false);
    expect((await ask(live)).context?.reasons[0]?.code).toBe('relationship_missing');
    const carol = await live.remit.evaluate({ subject: { type: 'user', id: 'carol' }, action: { name: 'read' }, resource: { type: 'employee', id: 'erin' }, context: { mode: 'human' } });
    expect(carol.decision).toBe(true);
    restore(live);
    approve();
    await becomes(live, true);
    expect(version()).toBe(first);
  }); // prettier-ignore

  it('a relation that is new can be written, and what is written meanwhile is kept, across a restart too', async () => {
    const { service } = live.remit;
    write(live, 'schema/acme.zed', WIDER);
    let writes = 0;
    while (version() === first) {
      await live.remit.touch(`employee:erin#manager@user:writer-${writes}`);
      writes += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await live.remit.touch('employee:erin#assistant@user:zoe');
    const count = async (subjectType = 'user') =>
      (
        await service.activePolicies.engine.read(
          { resourceType: 'employee', resourceId: 'erin', subjectType },
          1000,
          'full',
        )
      ).relationships.length;
    // dave's, those of the test before and of this one.
    const all = await count();
    expect(all).toBeGreaterThanOrEqual(writes + 2);
    const before = version();
    // An engine that is made anew has them of the journal.
    write(live, 'schema/acme.zed', `${WIDER}\n// again\n`);
    await expect.poll(version, SOON).not.toBe(before);
    expect(await count()).toBe(all);
  });

  it('is refused while relationships need what it lacks, and taken by itself once they are gone', async () => {
    const before = version();
    write(live, 'schema/acme.zed', zed);
    await hears(live, /only SIGHUP takes .*relation assistant of definition employee of the SpiceDB schema is changed/);
    approve();
    await hears(live, /policies not taken.*acme\.zed: does not fit what is stored: .*assistant/);
    expect([version(), (await ask(live)).decision]).toEqual([before, true]);
    // Nothing is lost by the refusal: what can be written can still be.
    await live.remit.touch('employee:erin#assistant@user:yan');
    await live.remit.remove('employee:erin#assistant@user:zoe', 'employee:erin#assistant@user:yan');
    // The signal counts for these files until they are taken.
    await expect.poll(version, SOON).toBe(first);
    expect(await hears(live, /^policies taken/)).toContain(first);
  });

  it('that SpiceDB can not read is refused at its line', async () => {
    write(live, 'schema/acme.zed', zed.replace('permission view = manage', 'permission view = manage +'));
    await hears(live, /not taken.*acme\.zed:\d+/);
    write(live, 'schema/acme.zed', WIDER.replace('assistant: user', 'assistant: usr'));
    await hears(live, /not taken.*`usr` not found/);
    expect([version(), (await ask(live)).decision]).toEqual([first, true]);
    restore(live);
    await hears(live, /in force again/);
  });

  it('comes with its policies and its Cedar schema, all or nothing', async () => {
    const schema = sample('schema/acme.cedarschema');
    write(live, 'schema/acme.cedarschema', schema.replace('@permission("view")', '@permission("glance")'));
    await hears(live, /not taken.*glance/);
    write(live, 'schema/acme.zed', zed.replace('permission view = manage', 'permission view = manage\n  permission glance = compensation_viewer'));
    await hears(live, /only SIGHUP takes .*action HR::Action::"read" of the Cedar schema is changed/);
    approve();
    await becomes(live, false);
    expect((await ask(live)).context?.reasons[0]?.code).toBe('relationship_missing');
    restore(live);
    approve();
    await becomes(live, true);
  }); // prettier-ignore
});

describe.skipIf(BINARY === '')(named('with a SpiceDB server'), () => {
  it('its schema is never written, and the file’s is taken once the server has it', async () => {
    const spicedb = await startSpiceDb();
    const { file, directory } = writeCompany({ world: undefined, clients: [clientNamed('ops', 'remit', 'admin')] });
    const config = { ...loadConfig(file, {}), spicedb: { ...spicedb.address, consistency: 'full' as const } };
    const graphNow = () => loadRules(readSources(config.sources)).graph;
    await spicedb.schema(graphNow());
    const service = await openService(config);
    const said: string[] = [];
    const unwatch = startReloading(service, [], () => loadConfig(file, {}), (line) => said.push(line));
    onTestFinished(async () => {
      await unwatch();
      await service.close();
      await spicedb.kill();
      rmSync(directory, { recursive: true, force: true });
    });
    const { version } = service.activePolicies.rules;
    write({ directory }, 'schema/acme.zed', WIDER);
    await expect.poll(() => said.join('\n'), SOON).toMatch(/not taken.*differs from the schema of SpiceDB at .*"remit migrate" changes: relation employee#assistant \(only in the file\)/);
    expect(service.activePolicies.rules.version).toBe(version);
    await spicedb.schema(graphNow());
    await expect.poll(() => service.activePolicies.rules.version, SOON).not.toBe(version);
    // The engine that is asked now is that of the new schema.
    await service.activePolicies.engine.write([{ operation: 'touch', relationship: { resource: { type: 'employee', id: 'erin' }, relation: 'assistant', subject: { type: 'user', id: 'zoe' } } }], 'test');
    const taken = service.activePolicies.rules.version;
    write({ directory }, 'policies/freeze.cedar', FREEZE);
    await expect.poll(() => service.activePolicies.rules.version, SOON).not.toBe(taken);
  }); // prettier-ignore
});

describe('on SIGHUP', () => {
  const hup = async (live: Live): Promise<string> => {
    live.said.length = 0;
    process.emit('SIGHUP', 'SIGHUP');
    return hears(live, /has been read again|^the configuration is not taken/);
  };
  const client = (...resources: string[]): object => ({
    clients: [{ ...clientNamed('api', 'remit', 'evaluate'), resources }],
  });
  const rewrite = (live: Live, over: object): void => {
    const { file } = live;
    const text = stringify({
      listen: { port: 0 },
      schema: { relationships: 'schema/acme.zed', actions: 'schema/acme.cedarschema' },
      policies: 'policies',
      data: 'data',
      limits: { deadline_ms: 60_000 },
      ...over,
    });
    write({ directory: join(file, '..') }, 'remit.yaml', text);
  };
  /** The type has another name in both schemas, and none of its policies and relationships is left. */
  const rename = (live: Live): void => {
    write(live, 'schema/acme.zed', `${zed}\ndefinition dossier {\n  relation reader: user\n}\n`);
  };

  it('clients and policies that need each other are taken together, and each alone is not', async () => {
    const over = { world: undefined, reload: { policies: 'signal' } };
    const live = await startLive({ ...over, ...client('employee') });
    onTestFinished(() => live.end());
    const { service } = live.remit;
    const { version } = service.activePolicies.rules;
    rewrite(live, { ...over, ...client('employee', 'dossier') });
    expect(await hup(live)).toMatch(/not taken.*no resource "dossier"/);
    const cedar = sample('schema/acme.cedarschema');
    const dossier = '\nnamespace Files { entity Dossier; @permission("reader") @scope("files.read") action "open" appliesTo { principal: [Agent, User], resource: [Dossier], context: { delegation: Remit::Delegation, now: datetime } }; }\n';
    rename(live);
    write(live, 'schema/acme.cedarschema', `${cedar}${dossier}`);
    expect(await hup(live)).toBe('the configuration has been read again');
    expect(live.said).toContain('clients: changed api');
    expect(service.activePolicies.rules.version).not.toBe(version);
    // And back: the policies alone would leave a client without its type.
    const renamed = service.activePolicies.rules.version;
    restore(live);
    await hup(live);
    expect(live.said).toContainEqual(expect.stringMatching(/^policies not taken.*no resource "dossier"/));
    expect(service.activePolicies.rules.version).toBe(renamed);
    expect(service.activePolicies.refusal?.reason).toMatch(/no resource "dossier"/);
    rewrite(live, { ...over, ...client('employee') });
    expect(await hup(live)).toBe('the configuration has been read again');
    expect(service.activePolicies.rules.version).toBe(version);
  }); // prettier-ignore

  it('takes a key back whatever has become of the policies', async () => {
    const over = { world: undefined, reload: { policies: 'signal' } };
    const live = await startLive({ ...over, clients: [clientNamed('api', 'remit', 'evaluate'), clientNamed('leaked', 'remit', 'evaluate')] });
    onTestFinished(() => live.end());
    const { service } = live.remit;
    const { version } = service.activePolicies.rules;
    const known = (id: string): boolean => service.trust.findClient(sha256(`${id}-key`)) !== undefined;
    expect([known('api'), known('leaked')]).toEqual([true, true]);
    write(live, 'policies/bad.cedar', 'forbid (');
    rewrite(live, { ...over, clients: [clientNamed('api', 'remit', 'evaluate')] });
    expect(await hup(live)).toBe('the configuration has been read again');
    expect(live.said).toContainEqual(expect.stringMatching(/^policies not taken.*bad\.cedar:1/));
    expect([known('api'), known('leaked'), service.activePolicies.rules.version]).toEqual([true, false, version]);
  }); // prettier-ignore

  it('"off" says of what has changed that it needs a restart', async () => {
    const live = await startLive({ world: undefined, reload: { policies: 'off' } });
    onTestFinished(() => live.end());
    const { version } = live.remit.service.activePolicies.rules;
    write(live, 'policies/freeze.cedar', FREEZE);
    await hup(live);
    expect(live.said).toContain('the files of the schema or the policies: changed, which needs a restart');
    expect(live.remit.service.activePolicies.rules.version).toBe(version);
  });
});
