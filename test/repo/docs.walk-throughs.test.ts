/** The walk-throughs of docs/guide are pasted into a shell, beside the service as it starts, and go all the way. They need jq. */
import { execFile, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { blocks } from '../author/test/company.js';
import { serve } from '../faults/processes.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = `"${process.execPath}" "${join(root, 'dist/main.js')}"`;
const hasJq = spawnSync('jq', ['--version']).status === 0;

describe.skipIf(!hasJq)('docs/guide', { timeout: 240_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-walk-'));
  let url: string;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    // The sample without its rules for the night: what is shown holds at every hour.
    for (const folder of ['schema', 'policies', 'fixtures'])
      cpSync(join(root, folder), join(directory, folder), { recursive: true });
    for (const file of readdirSync(join(directory, 'policies')))
      if (file === 'agents.cedar' || !file.endsWith('.cedar')) rmSync(join(directory, 'policies', file));
    const config = join(directory, 'fixtures/acme.remit.yaml');
    const sample = readFileSync(config, 'utf8');
    expect(sample).toContain('port: 7480');
    writeFileSync(config, sample.replace('port: 7480', 'port: 0'));
    const data = join(directory, '.remit');
    const service = await serve(config, { data });
    url = service.url;
    env = { PATH: process.env['PATH'], REMIT_CONFIG: config, REMIT_DATA: data, REMIT_PORT: new URL(url).port };
    return async () => {
      await service.end('SIGTERM');
      rmSync(directory, { recursive: true, force: true });
    };
  }, 240_000);

  /** Runs a block as it stands, but for the address and the way in which the program is started. @returns what it prints */
  const paste = async (guide: string): Promise<string> => {
    const [script = ''] = blocks(guide, 'sh').filter((block) => block.includes('jq '));
    expect(script).toContain('http://127.0.0.1:7480');
    const adapted = script.replaceAll('http://127.0.0.1:7480', url).replaceAll('npm run -s remit --', program);
    return (await promisify(execFile)('sh', ['-ec', adapted], { cwd: directory, env })).stdout;
  };

  it('approvals.md goes from a deny over a yes to an allow', async () => {
    // The answers stand behind each other without a line feed.
    const input = await paste('guide/approvals.md');
    const { stdout } = spawnSync('jq', ['-cs', '.'], { input, encoding: 'utf8' });
    expect(JSON.parse(stdout)).toMatchObject([
      { results: [{ state: 'pending' }] },
      { state: 'approved' },
      { decision: true },
    ]);
  });

  it('consents.md goes from a deny to the user’s yes and back', async () => {
    // Between the values stands the text that the user reads.
    const values = (await paste('guide/consents.md')).match(/^\{[^]*?^\}$|^true$|^false$/gm);
    expect(values?.map((value): unknown => JSON.parse(value))).toEqual([
      { decision: false, codes: ['consent_required'] },
      true,
      { decision: false, codes: ['consent_ended'] },
    ]);
  });
}); // prettier-ignore
