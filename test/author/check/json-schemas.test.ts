/** The JSON Schemas in the repository are those that are generated, and accept what the service accepts. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { expect, it, vi } from 'vitest';
import { jsonSchemas } from '../../../src/author/check/json-schemas.js';
import { schemaCommand } from '../../../src/cli/schema.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const committed = join(root, 'schema/json');

it('the committed ones are up to date (npm run schemas)', () => {
  const found = readdirSync(committed).map((file) => [file, readFileSync(join(committed, file), 'utf8')]);
  expect(new Map(found as [string, string][])).toEqual(new Map([...jsonSchemas()].sort()));
});

/**
 * Read back by zod, as an editor reads it; but for patterns on classes of characters, which JSON Schema reads with the
 * flag u, and zod without.
 */
const schemaOf = (name: string): z.ZodType =>
  z.fromJSONSchema(
    JSON.parse(jsonSchemas().get(`${name}.schema.json`) ?? '', (key, value: unknown) =>
      key === 'pattern' && typeof value === 'string' && /\\p\{/i.test(value) ? undefined : value,
    ) as never,
  );
const yaml = (file: string): unknown => parse(readFileSync(join(root, file), 'utf8'));

it.each([
  ['config', 'fixtures/acme.remit.yaml'],
  ['world', 'fixtures/acme.yaml'],
  ['config', 'fixtures/templates/tickets/remit.yaml'],
  ['world', 'fixtures/templates/tickets/world.yaml'],
  ['test', 'policies/hr_test.yaml'],
  ['test', 'fixtures/templates/tickets/policies/tickets_test.yaml'],
])('%s takes %s, and no key that there is not', (name, file) => {
  const schema = schemaOf(name);
  expect(schema.safeParse(yaml(file)).error).toBeUndefined();
  expect(schema.safeParse({ ...(yaml(file) as object), polices: 'x' }).success).toBe(false);
});

it('remit schema writes them all', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-schema-'));
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    expect(await schemaCommand.run([join(directory, 'new')])).toBe(0);
    for (const [file, text] of jsonSchemas()) expect(readFileSync(join(directory, 'new', file), 'utf8')).toBe(text);
    await expect(schemaCommand.run([])).rejects.toThrow('remit schema needs DIR');
    await expect(schemaCommand.run(['/proc/nowhere'])).rejects.toThrow(/nowhere.*: can't be written: E/);
  } finally {
    write.mockRestore();
    rmSync(directory, { recursive: true, force: true });
  }
});
