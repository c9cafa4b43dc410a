/** `remit mcp check`: what it prints, and its exit codes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { importTools } from '../../src/author/mcp/imported-server.js';
import { writeImport } from '../../src/author/mcp/write-import.js';
import { mcpCommand } from '../../src/cli/mcp.js';

// SpiceDB is started, on machines that are busy with other tests.
vi.setConfig({ testTimeout: 120_000 });

function company(...tools: object[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'remit-mcp-check-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  writeImport(directory, importTools('notes', tools), false);
  return join(directory, 'remit.yaml');
}

async function check(...args: string[]): Promise<[code: number, output: string]> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    const code = await mcpCommand.run(['check', ...args]);
    return [code, write.mock.calls.map(([text]) => String(text)).join('')];
  } finally {
    write.mockRestore();
  }
}

it('a dropped argument is a warning, and an error with --strict unless it is ignored', async () => {
  const config = company({ name: 'find', inputSchema: { properties: { text: { type: 'string' }, any: {} } } });
  const [code, output] = await check('--config', config);
  expect([code, output]).toEqual([0, expect.stringContaining('notes/find: warning [argument-dropped] takes the argument "any"')]); // prettier-ignore
  expect(output).toContain('1 tools checked: 0 errors, 1 warnings.');
  expect((await check('--config', config, '--strict'))[0]).toBe(1);
  expect((await check('--config', config, '--strict', '--ignore', 'notes/find.any'))[0]).toBe(0);
});

it('a mapping that can not be used is an error', async () => {
  const config = company({ name: 'find', inputSchema: { 'x-authzen-mapping': {} } });
  const [code, output] = await check('--config', config, '--json');
  expect(code).toBe(1);
  expect(JSON.parse(output)).toMatchObject({
    findings: [{ server: 'notes', tool: 'find', severity: 'error', rule: 'mapping-invalid' }],
    summary: { tools: 1, errors: 1, warnings: 0 },
  });
});

it('a company without tools, or with errors of its own, is not checked', async () => {
  const config = company({ name: 'find', inputSchema: {} });
  writeFileSync(join(config, '../policies/agents.cedar'), 'permit (');
  await expect(check('--config', config)).rejects.toThrow('which remit check names');
  rmSync(join(config, '../mcp'), { recursive: true });
  await expect(check('--config', config)).rejects.toThrow('has no tools beside it');
});
