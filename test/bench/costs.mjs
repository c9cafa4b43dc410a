/**
 * `node test/bench/costs.mjs`: what one decision costs on servers, for planning: bytes kept, logged and sent, and CPU of
 * each process. Needs REMIT_TEST_POSTGRES_URL (a role that may create databases) and REMIT_TEST_SPICEDB_BINARY, and
 * `npm run build`. Remit is a process of its own; this one makes the load and carries its bytes to the servers, so as
 * to count them.
 */
import { fork, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Client } from 'pg';
import { stringify } from 'yaml';
import { load, post } from './load/http.mjs';

/** Decisions that are measured, at so many connections. */
const RUNS = [
  { connections: 1, answers: 500 },
  { connections: 50, answers: 5_000 },
];
const WARM_UP = { connections: 50, answers: 6_000 };
/** Records that one of them manages; all of them are asked about in turn. */
const EMPLOYEES = 1_000;
const DATABASE = `remit_costs_${process.pid}`;
const ISSUER = 'https://login.example';
const root = fileURLToPath(new URL('../..', import.meta.url));

const [role, file] = process.argv.slice(2);
await (role === 'serve' ? serve(file) : measure());

/** The process that is measured, on the sample company. */
async function serve(configuration) {
  const { buildApp } = await import('../../dist/http/app.js');
  const { loadConfig } = await import('../../dist/config/config.js');
  const { openService } = await import('../../dist/service/service.js');
  const { loadWorld, readWorldFile } = await import('../../dist/config/world.js');
  // Ten in the morning: the sample's policies let agents change nothing at night.
  const offset = new Date().setUTCHours(10, 0, 0, 0) - performance.now();
  const service = await openService(loadConfig(configuration, {}), { now: () => new Date(offset + performance.now()) });
  const acme = join(root, 'fixtures/acme.yaml');
  await loadWorld(acme, readWorldFile(acme, service.activePolicies.rules), {
    relationships: service.activePolicies.engine,
    entities: service.entities,
  });
  const record = (id) => ({ type: 'employee', id });
  const managed = Array.from({ length: EMPLOYEES }, (_, i) => ({
    operation: 'touch',
    relationship: { resource: record(`c${i}`), relation: 'reports_to', subject: record('dave') },
  }));
  await service.activePolicies.engine.write(managed, 'costs');
  const app = await buildApp(service);
  await app.listen({ host: '127.0.0.1', port: 0 });
  process.on('disconnect', () => process.exit());
  process.on('message', () =>
    process.send({ port: app.server.address().port, cpu: process.cpuUsage(), now: service.now() }),
  );
  process.send({ ready: true });
}

async function measure() {
  const { REMIT_TEST_POSTGRES_URL: url, REMIT_TEST_SPICEDB_BINARY: binary } = process.env;
  if (!url || !binary) throw new Error('REMIT_TEST_POSTGRES_URL and REMIT_TEST_SPICEDB_BINARY must name the servers');
  const directory = mkdtempSync(join(tmpdir(), 'remit-costs-'));
  const closers = [() => rmSync(directory, { recursive: true, force: true })];
  try {
    await onServers({ url, binary, directory, closers });
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function onServers({ url, binary, directory, closers }) {
  const admin = await opened(url, closers);
  await admin.query(`create database ${DATABASE}`);
  closers.push(() => admin.query(`drop database ${DATABASE} with (force)`));
  const own = new URL(url);
  own.pathname = `/${DATABASE}`;
  const database = await opened(own.href, closers);

  const token = randomBytes(12).toString('hex');
  const spicedb = await startSpiceDb(binary, token, closers);
  const toDatabase = await relay(Number(own.port || 5432), own.hostname, closers);
  const toSpiceDb = await relay(spicedb.port, '127.0.0.1', closers);

  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'costs', alg: 'ES256', use: 'sig' };
  const through = new URL(own);
  [through.hostname, through.port] = ['127.0.0.1', String(toDatabase.port)];
  const configuration = join(directory, 'remit.yaml');
  const key = randomBytes(24).toString('base64url');
  writeFileSync(join(directory, 'values.key'), randomBytes(32).toString('base64'), { mode: 0o600 });
  writeFileSync(
    configuration,
    stringify({
      schema: { relationships: join(root, 'schema/acme.zed'), actions: join(root, 'schema/acme.cedarschema') },
      policies: join(root, 'policies'),
      // A cost is one on a busy machine, too.
      limits: { deadline_ms: 60_000, agent_rate: 1_000_000 },
      data: join(directory, 'data'),
      database: { mode: 'postgres', url: through.href },
      records: { values: { key_file: join(directory, 'values.key') } },
      spicedb: { mode: 'server', endpoint: `127.0.0.1:${toSpiceDb.port}`, token, insecure_plaintext: true },
      issuers: [{ issuer: ISSUER, audience: 'costs', primary: true, jwks: { keys: [jwk] } }],
      clients: [{ id: 'costs', key_sha256: createHash('sha256').update(key).digest('hex'), audience: 'costs', may: ['evaluate'], rate: 1_000_000 }],
    }),
  ); // prettier-ignore
  await run(process.execPath, [join(root, 'dist/main.js'), 'migrate', '--config', configuration]);

  // As the image runs it.
  const remit = fork(fileURLToPath(import.meta.url), ['serve', configuration], {
    execArgv: ['--max-semi-space-size=32'],
  });
  closers.push(() => remit.disconnect());
  await new Promise((resolve, reject) => remit.once('message', resolve).once('exit', reject));
  const ask = () => new Promise((resolve) => remit.once('message', resolve).send('usage'));
  const { port, now } = await ask();
  const iat = Math.floor(new Date(now).getTime() / 1000);
  const delegation = await new SignJWT({ act: { sub: 'hr-assistant' }, scope: 'hr.employees.read hr.employees.write', jti: 'costs' })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'costs' })
    .setIssuer(ISSUER).setAudience('costs').setSubject('alice').setIssuedAt(iat).setExpirationTime(iat + 3600)
    .sign(privateKey); // prettier-ignore
  const kinds = {
    'allow, a path of two relationships': { action: 'read', expect: true },
    'deny by a policy': { action: 'delete', expect: false },
  };

  const rows = [];
  for (const [kind, { action, expect }] of Object.entries(kinds)) {
    const requests = Array.from({ length: EMPLOYEES }, (_, i) =>
      post({
        port,
        path: '/access/v1/evaluation',
        key,
        body: {
          subject: { type: 'user', id: 'alice' },
          action: { name: action },
          resource: { type: 'employee', id: `c${i}`, properties: { name: `Person ${i}`, status: 'active', department: 'support' } },
          context: { token: delegation, supported_obligations: ['mask'] },
        },
        expect,
      }),
    ); // prettier-ignore
    await load({ port, requests, ...WARM_UP });
    for (const { connections, answers } of RUNS) {
      await database.query('truncate records cascade');
      await database.query('checkpoint');
      const look = async () => ({
        remit: (await ask()).cpu,
        spicedb: cpuOf(spicedb.pid),
        sent: { database: { ...toDatabase.bytes }, spicedb: { ...toSpiceDb.bytes } },
        wal: Number((await database.query(`select pg_current_wal_insert_lsn() - '0/0' as at`)).rows[0].at),
      });
      const before = await look();
      const { count, perSecond, errors, wrong, firstProblem } = await load({ port, requests, connections, answers });
      if (errors + wrong > 0) throw new Error(`${errors} errors, ${wrong} wrong: ${firstProblem}`);
      const after = await look();
      const [sizes] = (await database.query(`select pg_table_size('records') as table, pg_indexes_size('records') as indexes, avg(length(record::text)) as text, count(*) as rows from records`)).rows; // prettier-ignore
      if (Number(sizes.rows) < count) throw new Error(`${count} decisions and ${sizes.rows} records`);
      const each = (value) => Math.round(value / count);
      const between = (of) => `${each(of(after).up - of(before).up)} / ${each(of(after).down - of(before).down)}`;
      rows.push({
        decision: kind,
        connections,
        'a second': Math.round(perSecond),
        'Remit CPU ms': ((after.remit.user + after.remit.system - before.remit.user - before.remit.system) / 1000 / count).toFixed(2), // prettier-ignore
        'SpiceDB CPU ms': ((after.spicedb - before.spicedb) / count).toFixed(2),
        'record, as text': Math.round(sizes.text),
        'table, bytes a row': Math.round(sizes.table / sizes.rows),
        'indexes, bytes a row': Math.round(sizes.indexes / sizes.rows),
        'WAL bytes': each(after.wal - before.wal),
        'PostgreSQL bytes, to / from': between((l) => l.sent.database),
        'SpiceDB bytes, to / from': between((l) => l.sent.spicedb),
        'connections to PostgreSQL': toDatabase.open(),
      });
    }
  }
  const { rows: gone } = await database.query('select count(*) as n from records');
  const started = performance.now();
  await database.query(`with old as (select id from records order by at limit 10000) delete from records d using old where d.id = old.id`); // prettier-ignore
  const took = performance.now() - started;
  for (const row of rows)
    process.stdout.write(`${Object.entries(row).map(([name, value]) => `${name}: ${value}`).join('; ')}\n`); // prettier-ignore
  process.stdout.write(`removing ${Math.min(10_000, Number(gone[0].n))} records: ${Math.round(took)} ms\n`);
}

async function opened(url, closers) {
  const client = new Client(url);
  await client.connect();
  closers.push(() => client.end());
  return client;
}

async function startSpiceDb(binary, key, closers) {
  const port = await new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address();
      server.close(() => resolve(free));
    });
  });
  const server = spawn(
    binary,
    ['serve', `--grpc-addr=127.0.0.1:${port}`, '--datastore-engine=memory', '--metrics-enabled=false', '--telemetry-endpoint=', '--skip-release-check', '--log-level=error'],
    { stdio: 'inherit', env: { ...process.env, SPICEDB_GRPC_PRESHARED_KEY: key } },
  ); // prettier-ignore
  closers.push(() => server.kill('SIGKILL'));
  for (let tries = 0; ; tries += 1) {
    const there = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (there) return { port, pid: server.pid };
    if (tries === 200) throw new Error('spicedb does not listen');
    await sleep(50);
  }
}

/** Carries bytes to a server and counts them: `up` those that Remit sends. */
async function relay(port, host, closers) {
  const bytes = { up: 0, down: 0 };
  const sockets = new Set();
  const server = createServer((from) => {
    const to = connect({ port, host, noDelay: true });
    from.setNoDelay(true);
    sockets.add(from);
    from.on('data', (chunk) => (bytes.up += chunk.length));
    to.on('data', (chunk) => (bytes.down += chunk.length));
    from.pipe(to).pipe(from);
    for (const [one, other] of [[from, to], [to, from]]) one.on('error', () => other.destroy()); // prettier-ignore
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: server.address().port, bytes, open: () => sockets.size };
}

/** Milliseconds that a process has had of a processor (proc(5): in hundredths of a second). */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function run(command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}`);
}
