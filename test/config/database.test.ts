/** `database` of the configuration: what is taken, what is refused and where, and that no password is repeated. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig, type Config } from '../../src/config/config.js';
import type { PostgresConfig } from '../../src/store/database/postgres-config.js';
import { clientNamed } from '../support/sample.js';

let directory: string;
let file: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'remit-config-'));
  file = join(directory, 'remit.yaml');
  writeFileSync(join(directory, 'password'), 'of a file\n');
  writeFileSync(join(directory, 'empty'), '\n');
  writeFileSync(join(directory, 'ca.pem'), 'PEM');
  return () => {
    rmSync(directory, { recursive: true, force: true });
  };
});

function load(database: object | undefined, env: Record<string, string> = {}, more: object = {}): Config {
  const clients = [clientNamed('api', 'remit', 'evaluate')];
  writeFileSync(
    file,
    stringify({ schema: { relationships: 'a', actions: 'b' }, policies: '.', clients, database, ...more }),
  );
  return loadConfig(file, env);
}
function postgres(options: object, env: Record<string, string> = {}): PostgresConfig {
  const { database } = load({ mode: 'postgres', ...options }, env);
  if (database.mode !== 'postgres') throw new TypeError('not PostgreSQL');
  return database;
}
const URL_ = 'postgres://remit@db.example/remit';

describe('the database', () => {
  it('is embedded where nothing is said', () => {
    expect(load(undefined).database).toEqual({ mode: 'embedded' });
    expect(load(undefined, {}, { clients: [] }).development).toBe(true);
  });

  it('is a PostgreSQL server, checked in full, with limits', () => {
    const { password, ...rest } = postgres({ url: URL_ });
    expect(rest).toEqual({
      mode: 'postgres', host: 'db.example', port: 5432, user: 'remit', database: 'remit',
      tls: { mode: 'verify-full', ca: undefined }, connections: 10, waiting: 1000, connectMs: 2000, statementMs: 5000,
    }); // prettier-ignore
    expect(password()).toBeUndefined();
    expect(load({ mode: 'postgres', url: URL_ }).development).toBe(false);
  });

  it('is DATABASE_URL’s where that is set and a configuration was chosen', () => {
    expect(postgres({ url: URL_ }, { DATABASE_URL: 'postgresql://u:p%40ss@[::1]:6000/d%20b' })).toMatchObject({
      host: '::1', port: 6000, user: 'u', database: 'd b', tls: { mode: 'disable' },
    }); // prettier-ignore
    const { database } = load({ mode: 'embedded' }, { DATABASE_URL: 'postgres://u:p%40ss@h/d' });
    expect(database.mode === 'postgres' && database.password()).toBe('p@ss');
    const { warnings: notes, database: sample } = loadConfig(undefined, { DATABASE_URL: URL_ });
    expect([notes, sample.mode]).toEqual([['DATABASE_URL ignored: these need an explicit --config'], 'embedded']);
  });

  it.each([
    ['postgres://u@%2Fvar%2Frun%2Fpostgresql/d', '/var/run/postgresql', 'disable'],
    ['postgres://u@localhost/d', 'localhost', 'disable'],
    ['postgres://u@127.0.0.1/d', '127.0.0.1', 'disable'],
    ['postgres://u@127.0.0.1.example/d', '127.0.0.1.example', 'verify-full'],
    ['postgres://u@10.0.0.1/d', '10.0.0.1', 'verify-full'],
    ['postgres://u@h/d?sslmode=require', 'h', 'verify-full'],
    ['postgres://u@h/d?sslmode=verify-ca', 'h', 'verify-ca'],
    ['postgres://u@h/d?sslmode=disable', 'h', 'disable'],
    ['postgres://u@localhost/d?sslmode=require', 'localhost', 'verify-full'],
  ])('%s is at %s, with tls %s', (url, host, mode) => {
    expect(postgres({ url })).toMatchObject({ host, tls: { mode } });
  });

  it('has its password from the URL, a file that is read anew, or a variable', () => {
    expect(postgres({ url: 'postgres://u:in%20url@h/d' }).password()).toBe('in url');
    const config = postgres({ url: URL_, password_file: 'password' });
    expect(config.password()).toBe('of a file');
    writeFileSync(join(directory, 'password'), 'another\r\n');
    expect(config.password()).toBe('another');
    const named = postgres(
      { url: URL_, password_env: 'DB_PASSWORD', tls: 'verify-ca', ca: 'ca.pem' },
      { DB_PASSWORD: 'p' },
    );
    expect([named.password(), named.tls]).toEqual(['p', { mode: 'verify-ca', ca: 'PEM' }]);
  });

  it('shows no password to whoever prints it', () => {
    const config = load({ mode: 'postgres', url: 'postgres://u:the-secret@h/d' });
    expect(`${inspect(config, { depth: 10, showHidden: true })}${JSON.stringify(config)}`).not.toContain('the-secret');
  });

  const SECRET = 'postgres://u:the-secret@';
  it.each<[object, string]>([
    [{ mode: 'postgre' }, 'database.mode'],
    [{ mode: 'postgres' }, 'database.url: is required'],
    [{ url: URL_ }, 'database.url: needs "mode: postgres"'],
    [{ connections: 3 }, 'database.connections: needs "mode: postgres"'],
    [{ mode: 'postgres', urll: URL_ }, 'database.urll: unknown key'],
    [{ mode: 'postgres', url: 'the-secret' }, 'database.url: is no URL such as'],
    [{ mode: 'postgres', url: `${SECRET}h%/d` }, 'database.url: is no URL such as'],
    [{ mode: 'postgres', url: 'mysql://u:the-secret@h/d' }, 'database.url: must begin with postgres://'],
    [{ mode: 'postgres', url: 'postgres://h/d' }, 'database.url: names no user'],
    [{ mode: 'postgres', url: `${SECRET}h` }, 'database.url: must end with the name of the database'],
    [{ mode: 'postgres', url: `${SECRET}h/d?options=x` }, `database.url: "options" is not allowed in the URL`],
    [{ mode: 'postgres', url: `${SECRET}h/d?sslmode=prefer` }, 'database.url: sslmode must be one of'],
    [{ mode: 'postgres', url: `${SECRET}h/d?sslmode=disable&sslmode=verify-full` }, 'database.url: sslmode must be one of'],
    [{ mode: 'postgres', url: `${SECRET}h/d?sslmode=disable`, tls: 'verify-full' }, "database.tls: is \"verify-full\", and the URL's sslmode"],
    [{ mode: 'postgres', url: URL_, tls: 'prefer' }, 'database.tls'],
    [{ mode: 'postgres', url: URL_, ca: 'ca.pem', tls: 'unverified' }, 'database.ca: has no effect'],
    [{ mode: 'postgres', url: URL_, ca: 'nowhere.pem' }, "nowhere.pem: there is no such file"],
    [{ mode: 'postgres', url: URL_, password_file: 'nowhere' }, "nowhere: there is no such file"],
    [{ mode: 'postgres', url: URL_, password_file: 'empty' }, 'database.password_file: is empty'],
    [{ mode: 'postgres', url: URL_, password_env: 'DB_PASSWORD' }, 'database.password_env: DB_PASSWORD is not set'],
    [{ mode: 'postgres', url: `${SECRET}h/d`, password_file: 'password' }, 'database.password_file: and a password in the URL'],
    [{ mode: 'postgres', url: URL_, password_file: 'password', password_env: 'X' }, 'exclude each other'],
    [{ mode: 'postgres', url: URL_, statement_timeout_ms: 0 }, 'database.statement_timeout_ms'],
    [{ mode: 'postgres', url: URL_, connections: 0 }, 'database.connections'],
  ])('%j is refused, naming the place: %s', (database, why) => {
    let message = '';
    try {
      load(database);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain(why);
    expect(message).toMatch(/remit\.yaml|: can't be read|: there is no such file/);
    expect(message).not.toContain('the-secret');
  }); // prettier-ignore

  it('refuses DATABASE_URL by its own name', () => {
    expect(() => load(undefined, { DATABASE_URL: 'postgres://u:the-secret@/d' })).toThrow(/^DATABASE_URL: is no URL such as postgres:\/\/user@host:5432\/database$/); // prettier-ignore
  });

  it('needs clients of its own: nobody tries things out on a server', () => {
    expect(() => load({ mode: 'postgres', url: URL_ }, {}, { clients: [] })).toThrow('without "clients" Remit runs on the embedded database only'); // prettier-ignore
  });
});
