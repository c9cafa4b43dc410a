/** The command line, as a person or a script uses it: the built program, real processes. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { tokenCommand } from '../../src/cli/token.js';
import type { Answer } from '../support/sample.js';
import { collectCleanups } from '../support/cleanups.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/main.js');
const data = mkdtempSync(join(tmpdir(), 'remit-cli-'));
const port = 20_000 + (process.pid % 20_000);
const env = { ...process.env, REMIT_DATA: data, REMIT_PORT: String(port) };

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
const remit = (args: readonly string[], over: Record<string, string> = {}): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { cwd: root, env: { ...env, ...over } }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

afterAll(() => {
  rmSync(data, { recursive: true, force: true });
});

const COMMANDS = [
  'serve',
  'demo',
  'token',
  'decide',
  'init',
  'check',
  'test',
  'fmt',
  'explain',
  'replay',
  'usage',
  'diff',
  'schema',
  'mcp',
  'migrate',
];

describe('usage', () => {
  it('without a command it says what there is', async () => {
    const { code, out } = await remit([]);
    expect(code).toBe(2);
    for (const name of COMMANDS) expect(out).toContain(name);
  });

  it.each([...COMMANDS, 'token mint', 'token inspect', 'token verify', 'mcp import', 'mcp check'])(
    '%s has --help',
    async (name) => {
      const { code, out } = await remit([...name.split(' '), '--help']);
      expect([code, out]).toEqual([0, expect.stringContaining(`Usage: remit ${name}`)]);
      expect(out).toMatch(/^ {2}--json +\S/m);
    },
  );

  it('--version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(await remit(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  it.each([
    [['nonsense'], 'there is no command "nonsense"'],
    [['chek'], 'there is no command "chek" (did you mean "check"?)'],
    [['serve', '--prot', '1'], 'there is no option --prot; see remit serve --help'],
    [['serve', '--confg', 'x'], 'there is no option --confg (did you mean "--config"?)'],
    [['serve', '--config'], '--config needs a value, FILE'],
    [['serve', '--config', '--json'], '--config needs a value, FILE'],
    [['serve', '--json=yes'], '--json takes no value'],
    [['token'], '--agent or --user is required'],
    [['token', '--user', 'a', '--chain', 'b'], '--chain needs --agent'],
    [['token', '--agent', 'a', '--ttl', 'forever'], '--ttl must be a duration'],
    [['token', '--agent', 'a', '--ttl', '25h'], '--ttl must be a duration'],
    [['token', '--agent', 'a', '--detail', '[1]'], '--detail must be a JSON object'],
    [
      ['token', '--agent', 'a', '--detail', '{"type":"x","n":[1e400]}'],
      '--detail: n[0] is a number that reading would change',
    ],
    [['token', '--agent', 'a', '--detail', '{"type":"x","type":"y"}'], '--detail: type is given twice'],
    [
      ['decide', '--subject', 'user:a', '--action', 'b', '--resource', 'c:d', '--context', '{"n":9007199254740993}'],
      '--context: n is a number that reading would change',
    ],
    [['token', '--agent', 'a', '--chain', 'b'], '--chain needs --user'],
    [['token', '--agent', 'a\nb', '--user', 'c'], '--agent must not contain control characters'],
    [['token', 'hello', '--agent', 'a'], 'there is no command "token hello"'],
    [['token', 'verfy', 'a'], 'there is no command "token verfy" (did you mean "token verify"?)'],
    [['token', 'mint', 'hello', '--agent', 'a'], 'there is one argument too many: remit token mint takes options only'],
    [['token', '--agent', 'a', '--jkt', 'x'], '--jkt must be a SHA-256 thumbprint'],
    [['token', '--agent', 'a', '--scope', ''], '--scope must not be empty: leave it out'],
    [['token', '--agent', 'a', '--audience', ' '], '--audience must not be empty'],
    [['token', '--agent', 'a', '--session', ''], '--session must not be empty'],
    [['token', 'inspect'], 'remit token inspect needs TOKEN, one token'],
    [['token', 'verify', 'a', 'b'], 'there is one argument too many: remit token verify takes TOKEN'],
    [['token', 'verify', 'a', '--jwks', '/nowhere.json'], '/nowhere.json: there is no such file'],
    [['token', 'verify', 'a', '--jwks', 'package.json'], 'package.json: is not a JSON Web Key Set'],
    [['decide', '--action', 'read'], '--subject TYPE:ID is required'],
    [['decide', '--subject', 'user:a', '--resource', 'x', '--action', 'read'], '--resource "x" must be TYPE:ID'],
    [['replay', '--fail-on', 'x'], '--fail-on must be "widening" or "change"'],
    [['replay', '--limit', '0'], '--limit must be a whole number from 1 to 100000'],
    [['replay', '--file', '/nowhere.json'], '/nowhere.json: there is no such file'],
    [['replay', '--file', 'README.md'], 'README.md:1: is not JSON'],
    [['replay', '--file', 'package.json'], 'package.json: record 1 is not a decision record'],
    [['test', '--min-coverage', '101'], '--min-coverage must be a whole number from 0 to 100'],
    [['test', '--min-coverage', '9', '--filter', 'a'], '--min-coverage counts all tests'],
    [['test', '--watch', '--json'], '--watch prints for people'],
    [['test', '/nowhere_test.yaml'], '/nowhere_test.yaml: there is no such file or directory'],
    [['test', 'docs'], 'there is no *_test.yaml here'],
    [['migrate', 'now'], 'there is one argument too many: remit migrate takes options only'],
    [['check', '--json', '--sarif'], '--json and --sarif exclude each other'],
    [['init'], 'remit init needs DIR, one directory'],
    [['init', '.'], 'is not an empty directory'],
    [['init', 'x', '--template', 'ticket'], 'there is no template "ticket" (did you mean "tickets"?)'],
    [['serve', '--config', '/nowhere.yaml'], '/nowhere.yaml: there is no such file\n'],
    [['check', '--config', 'remit.yaml'], `remit.yaml: there is no such file in ${process.cwd()}\n`],
    [['fmt', 'nowhere'], `nowhere: there is no such file or directory in ${process.cwd()}\n`],
  ])('%j ends with 2 and a sentence', async (args, text) => {
    const { code, out, err } = await remit(args);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(text);
    expect(err.trim().split('\n')).toHaveLength(1);
  });
});

describe('configuration', () => {
  const sample = readFileSync(join(root, 'fixtures/acme.remit.yaml'), 'utf8')
    .replaceAll('../', root)
    .replace('world: acme.yaml', `world: ${root}fixtures/acme.yaml`);
  it.each([
    ['an unknown key', (text: string) => `${text}\npolices: x\n`, 'polices: unknown key (did you mean "policies"?)'],
    ['a port that is text', (text: string) => text.replace('port: 7480', 'port: high'), 'listen.port'],
    ['a key twice', (text: string) => `${text}\nworld: y\n`, 'the key is given twice'],
    ['no YAML', () => '{{{', 'remit:'],
    ['a list', () => '- 1\n', 'configuration: the document'],
    [
      'a SpiceDB server without an endpoint',
      (text: string) => text.replace('spicedb:\n  mode: embedded', 'spicedb:\n  mode: server'),
      'spicedb.endpoint: is required',
    ],
    [
      'another host without clients',
      (text: string) => text.replace('host: 127.0.0.1', 'host: 0.0.0.0'),
      'listens on loopback only',
    ],
    [
      'a key that is no hash',
      (text: string) => text.replace('clients: []', 'clients: [{ id: a, key_sha256: secret }]'),
      'clients[0].key_sha256',
    ],
    [
      'an issuer without keys',
      (text: string) => text.replace('issuers: []', 'issuers: [{ issuer: x, audience: y, primary: true }]'),
      'needs "jwks_uri" or "jwks"',
    ],
    [
      'an issuer with a private key',
      (text: string) =>
        text.replace(
          'issuers: []',
          'issuers: [{ issuer: x, audience: y, primary: true, jwks: { keys: [{ kty: EC, d: secret }] } }]',
        ),
      'must be a public key',
    ],
    [
      'two primary issuers',
      (text: string) =>
        text.replace(
          'issuers: []',
          'issuers: [{ issuer: x, audience: y, primary: true, jwks_uri: "https://x" }, { issuer: z, audience: y, primary: true, jwks_uri: "https://x" }]',
        ),
      'only one can be "primary"',
    ],
    [
      'HS256',
      (text: string) =>
        text.replace(
          'issuers: []',
          'issuers: [{ issuer: x, audience: y, algorithms: [HS256], jwks_uri: "https://x" }]',
        ),
      'issuers[0].algorithms[0]',
    ],
    [
      'keys over plain http',
      (text: string) =>
        text.replace('issuers: []', 'issuers: [{ issuer: x, audience: y, primary: true, jwks_uri: "http://x/jwks" }]'),
      'issuers[0].jwks_uri: must be https, or say jwks_network: private',
    ],
    [
      'a preset that is none',
      (text: string) =>
        text.replace(
          'issuers: []',
          'issuers: [{ issuer: x, preset: pong, audience: y, primary: true, jwks_uri: "https://x" }]',
        ),
      'issuers[0].preset',
    ],
    [
      'actors of an issuer that is not configured',
      (text: string) =>
        text.replace(
          'issuers: []',
          'issuers: [{ issuer: x, audience: y, primary: true, jwks_uri: "https://x", actors_from: [z] }]',
        ),
      'issuers[0].actors_from: "z" is not configured',
    ],
    [
      'no policies',
      (text: string) => text.replace(/^policies: .*$/m, 'policies: /nowhere'),
      'there is no such directory',
    ],
  ])('with %s is refused in a sentence that names the place', async (_name, change, text) => {
    const file = join(data, 'bad.yaml');
    writeFileSync(file, change(sample));
    const { code, err } = await remit(['serve', '--config', file]);
    expect(err).toContain(text);
    expect(err).not.toContain('    at ');
    expect(err).not.toContain('secret');
    expect(code).toBe(2);
  });

  it('the servers of the environment need an explicit configuration', async () => {
    const file = join(data, 'good.yaml');
    writeFileSync(file, sample);
    const { code, err } = await remit(['serve', '--config', file], { DATABASE_URL: 'postgres://u:secret@h/db' });
    expect([code, err]).toEqual([
      2,
      expect.stringContaining('without "clients" Remit runs on the embedded database only'),
    ]);
    expect(err).not.toContain('secret');
    const spicedb = await remit(['serve', '--config', file], { SPICEDB_ENDPOINT: 'localhost:1' });
    expect(spicedb.err).toContain('SPICEDB_ENDPOINT: is for "spicedb.mode: server"');
    // Nothing to migrate is no failure, so that a deployment's script needn't know.
    expect((await remit(['migrate', '--config', file])).code).toBe(0);
  });
});

describe('token', () => {
  it('prints the token alone', async () => {
    const { code, out } = await remit([
      'token',
      '--user',
      'alice',
      '--agent',
      'code-bot',
      '--chain',
      'planner,scheduler',
      '--scope',
      'a b',
      '--detail',
      '{"type":"remit"}',
      '--ttl',
      '90s',
    ]);
    expect(code).toBe(0);
    expect(out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const claims = decodeJwt(out.trim());
    expect(claims).toMatchObject({
      sub: 'alice',
      client_id: 'code-bot',
      scope: 'a b',
      aud: 'remit',
      authorization_details: [{ type: 'remit' }],
      act: { sub: 'code-bot', act: { sub: 'planner', act: { sub: 'scheduler' } } },
    });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(90);
    expect(decodeProtectedHeader(out.trim())).toMatchObject({ alg: 'ES256', typ: 'at+jwt' });
    expect(statSync(join(data, 'dev-issuer.jwk')).mode & 0o777).toBe(0o600);
  });

  it('mints for an agent alone, and as JSON', async () => {
    const { out } = await remit(['token', '--agent', 'planner', '--json']);
    const { token, expires_at } = JSON.parse(out) as { token: string; expires_at: string };
    expect(decodeJwt(token)).toMatchObject({ sub: 'planner', client_id: 'planner' });
    expect(decodeJwt(token).act).toBeUndefined();
    expect(new Date(expires_at).getTime()).toBe((decodeJwt(token).exp ?? 0) * 1000);
  });
});

describe('token inspect and verify', () => {
  const mint = async (...more: string[]): Promise<string> =>
    (
      await remit(['token', '--user', 'alice', '--agent', 'hr-assistant', '--scope', 'hr.employees.read', ...more])
    ).out.trim();

  it('explains a token in words', async () => {
    const { code, out } = await remit(['token', 'inspect', await mint('--chain', 'planner', '--session', 's1')]);
    expect(code).toBe(0);
    for (const line of [
      /^ {2}acts +the agent hr-assistant, called by planner$/m,
      /^ {2}for +the user alice$/m,
      /^ {2}scopes +hr\.employees\.read$/m,
      /^ {2}session +s1$/m,
      /^ {2}bound to +nothing: every holder can use it$/m,
      /^ {2}expires +\d{4}-.*Z \(in 5 min\)$/m,
    ])
      expect(out).toMatch(line);
  });

  it('says what is wrong, and that nothing was verified', async () => {
    const [head, , signature] = (await mint()).split('.');
    const payload = { iss: 'urn:remit:development', sub: '\u001b[2Jalice\u202e', aud: 'remit', exp: 1, scope: 's' };
    const forged = `${head ?? ''}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.${signature ?? ''}`;
    const { code, out } = await remit(['token', 'inspect', forged]);
    expect(code).toBe(1);
    expect(out).toContain('Not verified');
    expect(out).toContain(
      'token_claims_invalid: The claim "sub" is not acceptable: must not contain control characters.',
    );
    for (const char of ['\u001b', '\u202e']) expect(out).not.toContain(char);
    const json = await remit(['token', 'inspect', '--json', await mint('--audience', 'elsewhere')]);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({
      verified: false,
      token: { mode: 'delegated', user: 'alice', actors: [{ sub: 'hr-assistant', trust: 'current' }] },
      problems: [{ code: 'token_audience_mismatch' }],
    });
  });

  it('verifies against the configured issuers, and against a file of keys', async () => {
    const token = await mint();
    expect(await remit(['token', 'verify', '--json', token])).toMatchObject({
      code: 0,
      out: '{"signature":"valid","valid":true,"reasons":[]}\n',
    });
    const { d: _d, ...open } = JSON.parse(readFileSync(join(data, 'dev-issuer.jwk'), 'utf8')) as Record<
      string,
      unknown
    >;
    const jwks = join(data, 'jwks.json');
    writeFileSync(jwks, JSON.stringify({ keys: [{ kty: 'novel' }, 7, open] }));
    const verify = async (...args: string[]): Promise<unknown> => {
      const { code, out } = await remit(['token', 'verify', '--jwks', jwks, '--json', ...args]);
      const { signature, valid, reasons } = JSON.parse(out) as {
        signature: string;
        valid: boolean;
        reasons: { code: string }[];
      };
      return [code, signature, valid, reasons.map((r) => r.code)];
    };
    expect(await verify(token)).toEqual([0, 'valid', true, []]);
    expect(await verify('--issuer', 'urn:remit:development', '--audience', 'remit', token)).toEqual([
      0,
      'valid',
      true,
      [],
    ]);
    const [, payload = '', signature = ''] = token.split('.');
    const header = Buffer.from('{"alg":"RS256","typ":"at+jwt"}').toString('base64url');
    expect(
      JSON.parse((await remit(['token', 'verify', '--json', `${header}.${payload}.${signature}`])).out),
    ).toMatchObject({
      valid: false,
      reasons: [
        {
          code: 'token_algorithm_forbidden',
          message: 'The algorithm "RS256" is not one that the issuer is configured to use: ES256.',
        },
      ],
    });
    expect(await verify('--audience', 'x', token)).toEqual([1, 'valid', false, ['token_audience_mismatch']]);
    expect(await verify('--issuer', 'x', token)).toEqual([1, 'valid', false, ['token_issuer_unknown']]);
    expect(await verify(`${token}=`)).toEqual([1, 'invalid', false, ['token_malformed']]);
    const at = token.lastIndexOf('.') + 10;
    const changed = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
    expect(await verify(changed)).toEqual([1, 'invalid', false, ['token_signature_invalid']]);
  });

  it('tells the signature from the token, over the examples that the RFCs print', async () => {
    const { jws } = parse(readFileSync(join(root, 'test/tokens/vectors.yaml'), 'utf8')) as {
      jws: { name: string; source: string; keys: object[]; token: string; signature: string }[];
    };
    const jwks = join(data, 'vector.json');
    for (const { name, source, keys, token, signature } of jws) {
      writeFileSync(jwks, JSON.stringify({ keys }));
      const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
      const code = await tokenCommand.run(['verify', '--jwks', jwks, '--json', '--', token]);
      const verdict = JSON.parse(String(written.mock.calls[0]?.[0])) as { signature: string; valid: boolean };
      written.mockRestore();
      // None of them is an access token that is good today, whatever its signature.
      expect([name, source, verdict.signature, verdict.valid, code]).toEqual([name, source, signature, false, 1]);
    }
    expect(jws.length).toBeGreaterThan(25);
  });
});

describe('serve and decide', () => {
  let server: ChildProcess;
  let welcome = '';
  const onSuiteFinished = collectCleanups();
  const up = async (): Promise<void> => {
    // One stream, so that the order is that of its lines.
    const started = spawn('sh', ['-c', 'exec "$0" "$1" serve 2>&1', process.execPath, main], { cwd: root, env });
    onSuiteFinished(() => started.kill('SIGKILL'));
    server = started;
    welcome = '';
    await new Promise<void>((resolve, reject) => {
      server.stdout?.on('data', (chunk: Buffer) => {
        welcome += chunk.toString();
        if (/\n\ncurl [^]*\n\n/.test(welcome)) resolve();
      });
      server.once('exit', () => reject(new Error(welcome)));
    });
  };
  const down = (signal: NodeJS.Signals): Promise<number | null> =>
    new Promise((resolve) => {
      server.once('exit', (code) => resolve(code));
      server.kill(signal);
    });
  const decide = async (...args: string[]): Promise<Ran> => {
    const { out } = await remit([
      'token',
      '--user',
      'alice',
      '--agent',
      'hr-assistant',
      '--scope',
      'hr.employees.read',
    ]);
    return remit(['decide', '--subject', 'user:alice', '--action', 'read', '--token', out.trim(), ...args]);
  };
  beforeAll(up);

  it('greets first: nothing is printed before the welcome', () => {
    expect(welcome).toMatch(/^Remit is listening on http:\/\//);
    expect(welcome).not.toContain('Server listening');
  });

  it('names the command that mints a token by the same configuration', () => {
    expect(welcome).toContain('dist/main.js token` mints a token');
  });

  it('says how it is stopped and has its configuration read again', () => {
    for (const command of ['kill', 'kill -HUP']) expect(welcome).toContain(`\`${command} ${String(server.pid)}\``);
  });

  it('by `npm start` ends with npm, whose shell would not pass the signal on', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'remit-npm-'));
    const own = { REMIT_DATA: directory, REMIT_PORT: String(port + 1) };
    const npm = spawn('npm', ['start'], { cwd: root, env: { ...env, ...own } });
    const ended = new Promise((resolve) => npm.once('exit', resolve));
    const service = await new Promise<number>((resolve) => {
      let out = '';
      npm.stdout.on('data', (chunk: Buffer) => {
        const [, id] = /`kill (\d+)`/.exec((out += chunk.toString())) ?? [];
        if (id !== undefined) resolve(Number(id));
      });
    });
    npm.kill('SIGTERM');
    await ended;
    try {
      await expect.poll(() => isAlive(service), { timeout: 30_000 }).toBe(false);
    } finally {
      if (isAlive(service)) process.kill(service, 'SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('prints a request that can be pasted, and it is allowed', async () => {
    const [command = ''] = /^curl [^]*?\n\n/m.exec(welcome) ?? [];
    const printed = await new Promise<string>((resolve) => {
      execFile('sh', ['-c', command], (_error, out, err) => {
        resolve(out + err);
      });
    });
    const answer = JSON.parse(printed) as Answer;
    expect(answer.decision).toBe(true);
    expect(answer.context?.rationale.steps).toHaveLength(8);
    const key = readFileSync(join(data, 'dev.key'), 'utf8').trim();
    expect(welcome).toContain(key);
    expect(statSync(join(data, 'dev.key')).mode & 0o777).toBe(0o600);
  });

  it('decide asks the running service, and prints why', async () => {
    const allowed = await decide('--resource', 'employee:erin');
    expect(allowed.code).toBe(0);
    expect(allowed.out).toContain('ALLOW  HR Assistant may read');
    expect(allowed.out).toContain('employee:erin#reports_to@employee:dave → employee:dave#manager@user:alice');
    expect(allowed.out).toContain('the client must: mask salary, ssn');
    const denied = await decide('--resource', 'employee:zoe', '--json');
    expect(denied.code).toBe(1);
    expect((JSON.parse(denied.out) as Answer).context?.reasons[0]?.code).toBe('relationship_missing');
    const bad = await decide('--resource', 'employee:erin', '--properties', '{"salary":"x"}');
    expect([bad.code, bad.err]).toEqual([
      2,
      expect.stringContaining('resource.properties.salary: must be a whole number'),
    ]);
  });

  it('reads its configuration again on SIGHUP, and goes on', async () => {
    server.kill('SIGHUP');
    await expect.poll(() => welcome, { timeout: 20_000 }).toContain('the configuration has been read again');
    expect(welcome).toContain('clients: as they were');
    expect((await decide('--resource', 'employee:erin')).code).toBe(0);
  });

  it('a second service on the same directory is refused', async () => {
    const { code, err } = await remit(['serve'], { REMIT_PORT: String(port + 1) });
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/is in use by process \d+, which serves http:\/\/127\.0\.0\.1:\d+/),
    ]);
  });

  it('a second service on the same port is refused, and leaves nothing behind', async () => {
    const other = mkdtempSync(join(tmpdir(), 'remit-cli-'));
    const { code, err } = await remit(['serve'], { REMIT_DATA: other });
    expect([code, err]).toEqual([2, expect.stringContaining(`port ${port} is in use`)]);
    expect(existsSync(join(other, 'lock'))).toBe(false);
    rmSync(other, { recursive: true, force: true });
  });

  it('ends on SIGTERM with 0; decide then opens the engines itself', async () => {
    expect(await down('SIGTERM')).toBe(0);
    expect(existsSync(join(data, 'lock'))).toBe(false);
    const { code, out } = await decide('--resource', 'employee:erin');
    expect([code, out]).toEqual([0, expect.stringContaining('ALLOW')]);
  });

  it('starts again after being killed, with everything there', async () => {
    await up();
    await down('SIGKILL');
    await up();
    expect((await decide('--resource', 'employee:erin')).code).toBe(0);
    expect(await down('SIGINT')).toBe(0);
  });
});

it('the demo shows the answers that its notes promise', async () => {
  const { code, out } = await remit(['demo', '--json']);
  expect(code).toBe(0);
  const rows = JSON.parse(out) as { who: string; what: string; decision: boolean; why: string }[];
  expect(rows.map((r) => [r.decision, r.why.split(/[ ;]/)[0]])).toEqual([
    [true, 'by'], [true, 'by'], [false, 'policy_forbid'], [false, 'policy_forbid'], [false, 'relationship_missing'], [false, 'scope_insufficient'],
    [false, 'delegation_missing'], [true, 'by'], [false, 'policy_forbid'], [true, 'by'], [false, 'policy_forbid'], [false, 'approval_required'],
    [true, 'by'], [true, 'by'],
  ]); // prettier-ignore
});
