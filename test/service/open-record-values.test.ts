/** The key of the values in records: made where Remit has a directory, read where it is configured, refused where it is none. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config/config.js';
import { readValuesKey } from '../../src/config/records.js';
import { ON_SERVER, SAMPLE, start } from '../support/sample.js';

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'remit-values-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

it.skipIf(ON_SERVER)(
  'is made once in the data directory, for its owner alone, and opens the records of before',
  async () => {
    const data = newDirectory();
    const first = await start(SAMPLE, data);
    const question = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, resource: { type: 'employee', id: 'erin' }, context: { mode: 'human' } }; // prettier-ignore
    const id = (await first.evaluate(question)).context?.id ?? '';
    await first.stop({ keep: true });
    const path = join(data, 'values.key');
    const key = readFileSync(path, 'utf8');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const second = await start(SAMPLE, data);
    onTestFinished(() => second.stop());
    expect(readFileSync(path, 'utf8')).toBe(key);
    expect((await second.service.decisions.find(id))?.record).toMatchObject({
      id,
      facts: { caller: { kind: 'client' } },
    });
  },
);

it.each(['', 'short', 'x'.repeat(44), 'A'.repeat(43), `${'A'.repeat(43)}==`, `${'A'.repeat(86)}==`])(
  'is refused as %j, without its text',
  (text) => {
    const file = join(newDirectory(), 'values.key');
    writeFileSync(file, text);
    expect(() => readValuesKey(file)).toThrow(/32 bytes in base64/);
    if (text !== '') expect(() => readValuesKey(file)).not.toThrow(text);
  },
);

it('is read as openssl writes it, and refused where the file is not there', () => {
  const directory = newDirectory();
  writeFileSync(join(directory, 'a.key'), `${Buffer.alloc(32, 7).toString('base64')}\n`);
  expect(readValuesKey(join(directory, 'a.key'))).toEqual(Buffer.alloc(32, 7));
  expect(() => readValuesKey(join(directory, 'b.key'))).toThrow(/records\.values\.key_file.*ENOENT/s);
});

it('is configured relative to the file that names it, with the time for which values are kept', () => {
  const directory = newDirectory();
  const base = readFileSync(SAMPLE, 'utf8').replaceAll('../', `${join(SAMPLE, '..', '..')}/`).replace('world: ', `world: ${join(SAMPLE, '..')}/`); // prettier-ignore
  const write = (records: string): string => {
    const file = join(directory, 'remit.yaml');
    writeFileSync(file, `${base}\n${records}\n`);
    return file;
  };
  const { records } = loadConfig(write('records: { values: { key_file: keys/values.key, keep: P30D } }'), { REMIT_DATA: directory }); // prettier-ignore
  expect(records.values).toEqual({ keyFile: join(directory, 'keys/values.key'), keepMs: 30 * 86_400_000 });
  for (const keep of ['P0D', 'PT1S', 'P9999999D', 'soon'])
    expect(() => loadConfig(write(`records: { values: { keep: ${keep} } }`), { REMIT_DATA: directory })).toThrow(
      /records\.values\.keep/,
    );
});
