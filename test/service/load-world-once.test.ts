/** The world's file is loaded once; where it says something else by now, the operator is told, with the cure. */
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { start } from '../support/sample.js';
import { writeCompany } from './reload/company.js';

let directory: string;
let file: string;
beforeAll(() => {
  ({ directory, file } = writeCompany());
  return () => {
    rmSync(directory, { recursive: true, force: true });
  };
});

/** The lines for the operator of one start and stop. */
async function startOnce(data: string, config = file): Promise<string[]> {
  const said: string[] = [];
  const remit = await start(config, join(directory, data), { log: (line) => said.push(line) });
  await remit.stop({ keep: true });
  return said;
}

it('nothing is said while the file says what was loaded, whatever its comments', async () => {
  expect(await startOnce('one')).toEqual([]);
  appendFileSync(join(directory, 'acme.yaml'), '\n# a comment\n');
  expect(await startOnce('one')).toEqual([]);
});

it('a file that has changed is not loaded again, which each start says until it is as it was', async () => {
  const path = join(directory, 'acme.yaml');
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace('relationships: |\n', 'relationships: |\n  employee:erin#manager@user:newcomer\n'));
  for (let i = 0; i < 2; i += 1)
    expect(await startOnce('one')).toEqual([
      expect.stringMatching(/acme\.yaml: has changed since it was loaded, and is not loaded again: write what has changed through \/v1\/relationships and \/v1\/entities, or start with a new data directory/),
    ]); // prettier-ignore
  writeFileSync(path, text);
  expect(await startOnce('one')).toEqual([]);
});

it('a world that comes to stores with something in them is not loaded, and that is said', async () => {
  const without = join(directory, 'without.yaml');
  writeFileSync(without, readFileSync(file, 'utf8').replace(/^world: .*\n/m, ''));
  const remit = await start(without, join(directory, 'two'));
  await remit.touch('employee:erin#manager@user:alice');
  await remit.stop({ keep: true });
  expect(await startOnce('two')).toEqual([
    expect.stringContaining('acme.yaml: is not loaded, since the stores are not empty'),
  ]);
});
