/** `audit` of the configuration: a key is for Ed25519, and witnesses are reached as other systems are. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { auditFormat, readAuditKey, resolveAudit } from '../../src/config/audit.js';
import { ConfigError } from '../../src/model/faults.js';
import { collectCleanups } from '../support/cleanups.js';

const directory = mkdtempSync(join(tmpdir(), 'remit-audit-'));
collectCleanups()(() => rmSync(directory, { recursive: true }));
const resolve = (settings: unknown) =>
  resolveAudit(auditFormat.parse(settings), 'remit.yaml', (path) => join('/etc', path));

describe('audit', () => {
  it('has no key, the deployment’s name and no witnesses, unless it says so', () => {
    expect(resolve(undefined)).toEqual({
      keyFile: undefined,
      formerKeyFile: undefined,
      origin: undefined,
      witnesses: [],
    });
    expect(resolve({ key_file: 'a.pem', origin: 'remit.example/log', witnesses: [{ file: 'kept' }, { url: 'https://w.example/' }] })).toEqual({
      keyFile: '/etc/a.pem',
      origin: 'remit.example/log',
      witnesses: [{ file: '/etc/kept' }, { url: 'https://w.example/', network: 'public' }],
    }); // prettier-ignore
  });

  it('names a former key beside the present one, and not alone', () => {
    expect(resolve({ key_file: 'b.pem', former_key_file: 'a.pem' })).toMatchObject({
      keyFile: '/etc/b.pem',
      formerKeyFile: '/etc/a.pem',
    });
    expect(() => resolve({ former_key_file: 'a.pem' })).toThrow(/audit\.former_key_file/);
    expect(() => readAuditKey(join(directory, 'none'), 'audit.former_key_file')).toThrow(/audit\.former_key_file/);
  });

  it.each([
    { origin: 'a b' }, { origin: 'a+b' }, { origin: '' }, { origin: 'a\nb' }, { witnesses: [{}] }, { witnesses: [{ file: 'a', url: 'https://w.example' }] },
    { witnesses: [{ url: 'ftp://w.example' }] }, { more: 1 }, { witnesses: Array.from({ length: 9 }, () => ({ file: 'a' })) },
  ])('is refused: %j', (settings) => {
    expect(auditFormat.safeParse(settings).success).toBe(false);
  }); // prettier-ignore

  it.each(['http://w.example/', 'https://user:secret@w.example/', 'https://w.example/#x', 'https://10.0.0.1/'])(
    'sends checkpoints to no such witness: %s',
    (url) => {
      expect(() => resolve({ witnesses: [{ url }] })).toThrow(ConfigError);
    },
  );

  it('reads a key for Ed25519 in PEM, and says of no other what is in it', () => {
    const write = (text: string): string => {
      const file = join(directory, 'key.pem');
      writeFileSync(file, text);
      return file;
    };
    const pem = (key: ReturnType<typeof generateKeyPairSync>['privateKey']): string =>
      key.export({ type: 'pkcs8', format: 'pem' }).toString();
    expect(readAuditKey(write(pem(generateKeyPairSync('ed25519').privateKey))).type).toBe('private');
    for (const text of [pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey), 'secret', ''])
      expect(() => readAuditKey(write(text))).toThrow(/audit\.key_file: the file has no private key for Ed25519/);
    expect(() => readAuditKey(join(directory, 'none'))).toThrow(/can not be read \(ENOENT\)/);
  });
});
