/** What an import writes: it loads, lints and passes its tests whatever a server lists, and leaves what an author has changed. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { checkProject } from '../../../src/author/check/check.js';
import { Formatter } from '../../../src/author/check/format.js';
import { companyFiles } from '../../../src/author/mcp/company-files.js';
import { importTools, type ImportedServer } from '../../../src/author/mcp/imported-server.js';
import { readPinnedServer } from '../../../src/author/mcp/pinned-server.js';
import { serverFiles } from '../../../src/author/mcp/server-files.js';
import { writeImport } from '../../../src/author/mcp/write-import.js';
import { listCedarFiles, readSource } from '../../../src/config/files.js';
import { mcpResourceId } from '../../../src/mcp/resource-id.js';
import { formatFinding } from '../../../src/diagnostics/diagnostics.js';
import { readRules } from '../../../src/policy/load.js';
import { formatUid } from '../../../src/policy/schema/uid.js';
import { hostileTool } from '../../mcp/hostile-tools.js';

// SpiceDB is started, on machines that are busy with other tests.
vi.setConfig({ testTimeout: 240_000 });

function scratch(): string {
  const made = mkdtempSync(join(tmpdir(), 'remit-mcp-'));
  onTestFinished(() => {
    rmSync(made, { recursive: true, force: true });
  });
  return made;
}

const GITHUB = [
  {
    name: 'list_issues',
    title: 'List issues',
    inputSchema: { type: 'object', properties: { repo: { type: 'string' }, limit: { type: 'integer' } }, required: ['repo'] },
    outputSchema: { type: 'object', properties: { author: { type: 'string', 'x-remit-class': 'pii' } } },
    annotations: { readOnlyHint: true },
  },
  {
    name: 'create-issue',
    inputSchema: { type: 'object', properties: { weight: { type: 'number' }, labels: { type: 'array', items: { type: 'string' } } }, required: ['weight'] },
    annotations: { destructiveHint: false },
  },
  { name: 'delete_repo', inputSchema: { type: 'object', properties: { repo: { type: 'string' } }, required: ['repo'] } },
]; // prettier-ignore
const WEATHER = [
  { name: 'list_issues_of_weather', inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } },
];
const github = importTools('github', GITHUB);
const weather = importTools('weather', WEATHER);

const findingsOf = async (directory: string): Promise<string[]> =>
  (await checkProject(join(directory, 'remit.yaml'), { env: {}, tests: true })).findings.map(formatFinding);
const filesOf = (directory: string): Map<string, string> =>
  new Map(
    readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((file) => statSync(join(directory, file)).isFile())
      .map((file) => [file, readFileSync(join(directory, file), 'utf8')]),
  );

describe('an import', () => {
  it('makes a company that passes its checks and its tests, and is formatted', async () => {
    const directory = scratch();
    const { made, kept } = writeImport(directory, github, false);
    expect(kept).toEqual([]);
    expect(made.filter((file) => !existsSync(join(directory, file)))).toEqual([]);
    expect(await findingsOf(directory)).toEqual([]);
    const formatter = new Formatter();
    for (const path of listCedarFiles(directory)) {
      const file = readSource(path);
      expect(formatter.format(file)).toBe(file.text);
    }
  });

  it('adds a second server, and the company still passes', async () => {
    const directory = scratch();
    writeImport(directory, github, false);
    const { updated, kept } = writeImport(directory, weather, false);
    expect(updated).toEqual(['remit.yaml', 'world.yaml']);
    expect(kept).toEqual([]);
    expect(await findingsOf(directory)).toEqual([]);
    const { rules } = await checkProject(join(directory, 'remit.yaml'), { env: {} });
    expect(rules?.vocabulary.actions.map(({ name }) => name).sort()).toEqual(
      [...GITHUB, ...WEATHER].map(({ name }) => name).sort(),
    );
  });

  it('made twice changes nothing', () => {
    const directory = scratch();
    writeImport(directory, github, false);
    writeImport(directory, weather, false);
    const before = filesOf(directory);
    for (const server of [weather, github, weather]) {
      const { made, updated, kept } = writeImport(directory, server, false);
      expect([made, updated, kept]).toEqual([[], [], []]);
    }
    expect(filesOf(directory)).toEqual(before);
  });

  it('leaves what an author has changed, and writes over it only where it is told to', () => {
    const directory = scratch();
    writeImport(directory, github, false);
    const path = join(directory, 'policies/mcp-github.cedar');
    const changed = `${readFileSync(path, 'utf8')}// Mine.\n`;
    writeFileSync(path, changed);
    const fewer = importTools('github', GITHUB.slice(0, 2));
    const { kept, updated } = writeImport(directory, fewer, false);
    expect(kept).toEqual(['policies/mcp-github.cedar']);
    expect(readFileSync(path, 'utf8')).toBe(changed);
    expect(updated).toContain('schema/mcp-github.cedarschema');
    // Still so once the import was made again.
    expect(writeImport(directory, fewer, false).kept).toEqual(['policies/mcp-github.cedar']);
    expect(writeImport(directory, fewer, true).updated).toEqual(['policies/mcp-github.cedar']);
    expect(readFileSync(path, 'utf8')).not.toContain('Mine');
  });

  it('leaves a file that was there before it', () => {
    const directory = scratch();
    writeFileSync(join(directory, 'remit.yaml'), '# Mine.\n');
    expect(writeImport(directory, github, false).kept).toEqual(['remit.yaml']);
    expect(readFileSync(join(directory, 'remit.yaml'), 'utf8')).toBe('# Mine.\n');
  });

  it('is read again as it was made, and not where its definitions were changed', () => {
    const directory = scratch();
    writeImport(directory, github, false);
    expect(readPinnedServer(directory, 'github')).toEqual({ server: 'github', tools: github.tools });
    const path = join(directory, 'mcp/github.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"readOnlyHint": true', '"readOnlyHint": false'));
    expect(() => readPinnedServer(directory, 'github')).toThrow('"list_issues" is not the one that was accepted');
    expect(() => writeImport(directory, weather, false)).toThrow('is not the one that was accepted');
  });
});

it('the policy of the guide holds for a tool that gives money back', async () => {
  const guide = readFileSync(fileURLToPath(new URL('../../../docs/guide/mcp.md', import.meta.url)), 'utf8');
  const [, policy = ''] = /```cedar\n([\s\S]*?)```/.exec(guide) ?? [];
  const directory = scratch();
  const properties = { amount: { type: 'number' } };
  const refund = { name: 'refund', inputSchema: { properties, required: ['amount'] }, annotations: { destructiveHint: false } }; // prettier-ignore
  writeImport(directory, importTools('shop', [refund]), false);
  writeFileSync(join(directory, 'policies/shop.cedar'), policy);
  writeFileSync(
    join(directory, 'policies/shop_test.yaml'),
    `now: 2030-03-04T10:00:00Z
tokens: { assistant: { user: ann, agent: assistant, scope: mcp.shop.write } }
actions: { small: { name: refund, properties: { amount: 50 } }, large: { name: refund, properties: { amount: 50.01 } } }
tests:
  - name: An agent gives back little
    who: assistant
    actions: [small, large]
    resources: mcp_tool:shop/refund
    expect:
      - { actions: small, decision: allow }
      - { actions: large, decision: deny, policies: [small-refunds-only], remedies: ["approval:approve_call"] }
`,
  );
  expect(await findingsOf(directory)).toEqual([]);
});

/** Reads what an import makes as the service does, without SpiceDB. */
function readMade(servers: readonly ImportedServer[]): ReturnType<typeof readRules> {
  const texts = new Map([...companyFiles(servers), ...servers.flatMap((server) => [...serverFiles(server)])]);
  const pick = (ending: string): { name: string; text: string }[] =>
    [...texts].flatMap(([name, text]) => (name.endsWith(ending) ? [{ name, text }] : []));
  const [relationships = { name: '', text: '' }] = pick('.zed');
  return readRules({ relationships, actions: pick('.cedarschema'), policies: pick('.cedar') });
}

describe('whatever a server lists', () => {
  it('each tool is refused by name, or is an action of its own name with nothing beside it', () => {
    fc.assert(
      fc.property(fc.array(hostileTool, { minLength: 1, maxLength: 5 }), (entries) => {
        const taken = new Map(github.tools.map(({ definition }) => [definition.name, 'github'] as const));
        const { refused, ...imported } = importTools('hostile', entries, taken);
        for (const { name } of entries)
          if (typeof name === 'string' && name !== '')
            expect(
              imported.tools.some(({ definition }) => definition.name === name) ||
                refused.some(({ tool }) => tool === name.slice(0, 128).toWellFormed()),
            ).toBe(true);
        if (imported.tools.length === 0) return;
        const { rules, findings } = readMade([github, imported]);
        expect(findings.map(formatFinding)).toEqual([]);
        const actions = rules?.vocabulary.actions ?? [];
        expect(actions.map(({ uid }) => formatUid(uid)).sort()).toEqual(
          [...github.tools, ...imported.tools]
            .map(({ definition: { name } }) => formatUid({ type: `MCP::${GITHUB.some((tool) => tool.name === name) ? 'Github' : 'Hostile'}::Action`, id: name }))
            .sort(),
        ); // prettier-ignore
        const classes = new Set(imported.tools.flatMap((tool) => tool.classes));
        expect([...(rules?.policies.keys() ?? [])].sort()).toEqual(
          [
            'long-chains-only-read', 'mcp-destructive-calls-need-approval', 'suspended-agents-do-nothing',
            'mcp-github-agents', 'mcp-github-hides-pii', 'mcp-github-people', 'mcp-hostile-agents', 'mcp-hostile-people',
            ...[...classes].map((className) => `mcp-hostile-hides-${className}`),
          ].sort(),
        ); // prettier-ignore
        for (const tool of imported.tools) expect(tool.id).toBe(mcpResourceId('hostile', tool.definition.name));
      }),
      { numRuns: 60 },
    );
  });

  it('what is written passes its checks and its tests', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(hostileTool, { minLength: 1, maxLength: 8 }), async (entries) => {
        const { refused: _, ...imported } = importTools('hostile', entries);
        if (imported.tools.length === 0) return;
        const directory = mkdtempSync(join(tmpdir(), 'remit-mcp-'));
        try {
          writeImport(directory, imported, false);
          expect(await findingsOf(directory)).toEqual([]);
          expect(readPinnedServer(directory, 'hostile')).toEqual(imported);
        } finally {
          rmSync(directory, { recursive: true, force: true });
        }
      }),
      { numRuns: 8 },
    );
  });
});
