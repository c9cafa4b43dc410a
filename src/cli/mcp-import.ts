/** `remit mcp import`: actions, policies and tests of the tools of an MCP server. */
import { basename, join, resolve } from 'node:path';
import { fetchTools } from '../author/mcp/fetch-tools.js';
import { importTools } from '../author/mcp/imported-server.js';
import { listTakenTools } from '../author/mcp/pinned-server.js';
import { readToolsFile } from '../author/mcp/read-tools.js';
import { writeImport } from '../author/mcp/write-import.js';
import { displayPath, readKeyFile } from '../config/files.js';
import { isServerName, SERVER_NAME_RULE } from '../mcp/resource-id.js';
import { ConfigError } from '../model/faults.js';
import { defineCommand } from './command/define-command.js';
import { UsageError } from './command/usage-error.js';
import { nameProgram, quoteForShell } from './print/program-name.js';
import { escapedLines, printJsonLine } from './print/terminal.js';

export const mcpImportCommand = defineCommand({
  name: 'mcp import',
  description: `
    Makes a Cedar action of each tool that an MCP server lists, with its title, scope, effect and arguments; policies and
    tests to begin with; and the rest of a company, so that it passes "remit check". Where the directory has a company
    that was made so, the server is added to it, or follows what has changed at it.

    A file that its author has changed is left as it is, and named. A tool that can't be written is refused, by name. What
    a server says of its own tools is not verified: read what is made before it is used.`,
  positionals: [
    { name: 'SOURCE', description: "a file with the server's answer to tools/list, or the URL of the server" },
  ],
  options: {
    server: { value: 'NAME', description: "the server's name (default: that of the file)", parse: parseServerName },
    out: { value: 'DIR', description: 'where the company is, or is made (default: the name of the server)' },
    credential: { value: 'FILE', description: 'a file with a token, which goes to the server as Bearer' },
    replace: { description: 'writes also over what its author has changed' },
    json: { description: 'prints {"directory", "server", "tools", "refused", "made", "updated", "unchanged", "kept"}' },
  },
  exitCodes: {
    0: 'every tool was imported, and every file is as the import makes it',
    1: 'a tool was refused, or a file was kept as its author has changed it',
    2: "the tools can't be read, or a file can't be written",
  },
  examples: [
    'remit mcp import github.json --out company',
    'remit mcp import https://mcp.example.com/mcp --server github --credential token.txt',
  ],
  run: async ({ positionals: [source], options }) => {
    const isUrl = /^https?:\/\//i.test(source);
    if (options.credential !== undefined && !isUrl) throw new UsageError('--credential is for a URL');
    const server = options.server ?? parseServerName(isUrl ? '' : basename(source).replace(/\.json$/, ''), '--server');
    const entries = isUrl ? await fetchTools(source, readCredential(options.credential)) : readToolsFile(source);
    const directory = resolve(options.out ?? server);
    const { refused, ...imported } = importTools(server, entries, listTakenTools(directory, server));
    if (imported.tools.length === 0) throw new ConfigError('has no tool that can be imported', isUrl ? source : displayPath(source)); // prettier-ignore
    const written = writeImport(directory, imported, options.replace);
    const tools = imported.tools.map(({ definition }) => definition.name);
    if (options.json) printJsonLine({ directory, server, tools, refused, ...written });
    else {
      const config = `--config ${quoteForShell(displayPath(join(directory, 'remit.yaml')))}`;
      const lines = [
        `${tools.length} ${tools.length === 1 ? 'tool' : 'tools'} of ${server}, in ${displayPath(directory)}:`,
        ...written.made.map((file) => `  made       ${file}`),
        ...written.updated.map((file) => `  updated    ${file}`),
        ...(written.made.length + written.updated.length === 0 ? ['  nothing has changed'] : []),
        ...written.kept.map((file) => `  kept       ${file}, which its author has changed; --replace writes over it`),
        ...refused.map(({ tool, problem }) => `  refused    ${tool}: ${problem}`),
        '',
        'What to do next:',
        '',
        `  ${nameProgram()} check ${config}`,
        `  ${nameProgram()} test ${config}`,
      ];
      process.stdout.write(escapedLines(lines));
    }
    return refused.length + written.kept.length > 0 ? 1 : 0;
  },
});

/** @throws UsageError */
function parseServerName(text: string, option: string): string {
  if (isServerName(text)) return text;
  throw new UsageError(`${option} NAME ${text === '' ? 'is needed: it' : `"${text}"`} ${SERVER_NAME_RULE}`);
}

/** @throws ConfigError where the file has no token */
function readCredential(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  return readKeyFile(resolve(file), {
    setting: '--credential',
    parse: (text) => (/^[\x21-\x7e]{1,8192}$/.test(text.trim()) ? text.trim() : undefined),
    problem: 'the file must have one token, and nothing else',
  });
}
