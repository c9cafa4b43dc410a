/** The walk-throughs of docs/guide are pasted into a shell, beside the service as it starts, and go all the way. They need jq. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { blocks } from '../author/test/company.js';

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
    const port = await findFreePort();
    url = `http://127.0.0.1:${port}`;
    env = {
      PATH: process.env['PATH'],
      REMIT_CONFIG: join(directory, 'fixtures/acme.remit.yaml'),
      REMIT_DATA: join(directory, '.remit'),
      REMIT_PORT: String(port),
    };
    const service = spawn(process.execPath, [join(root, 'dist/main.js'), 'serve'], { env, stdio: 'ignore' });
    const ended = new Promise((resolve) => service.once('exit', resolve));
    const isReady = (): Promise<boolean> =>
      fetch(`${url}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (service.exitCode === null && !(await isReady())) await new Promise((resolve) => setTimeout(resolve, 100));
    return async () => {
      service.kill('SIGTERM');
      await ended;
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

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
