/** `remit token`: mints a delegation token from the development issuer. */
import { isLoopback, loadConfig } from '../config.js';
import { makeDirectory } from '../engines/lock.js';
import { ConfigError } from '../model/faults.js';
import { idProblem } from '../model/ids.js';
import { MAX_CHAIN } from '../tokens/verify.js';
import { openDevIssuer } from '../tokens/dev-issuer.js';
import { jsonObject, readOptions, seconds, Usage, type Command } from './command.js';

const HELP = `
Usage: remit token --agent ID [--user ID] [options]

Prints a delegation token, signed by the development issuer: an agent that acts for a user, or, without --user, for
itself. That issuer exists only with embedded engines on loopback.

  --user ID         the person on whose behalf the agent acts
  --agent ID        the agent that acts
  --chain ID,ID     earlier agents, newest first
  --scope "A B"     scopes, separated by spaces
  --detail JSON     one entry of authorization_details; may be repeated
  --audience NAME   whom the token is for (default: the development issuer's)
  --ttl DURATION    how long it lives, such as 90s, 5m, 1h (default 5m)
  --config FILE     the configuration (default: REMIT_CONFIG, or the sample's)
  --json            prints {"token": …, "expires_at": …}
`;

export const tokenCommand: Command = {
  name: 'token',
  summary: 'mint a delegation token from the development issuer',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      user: { type: 'string' },
      agent: { type: 'string' },
      chain: { type: 'string' },
      scope: { type: 'string' },
      detail: { type: 'string', multiple: true },
      audience: { type: 'string' },
      ttl: { type: 'string', default: '5m' },
      config: { type: 'string' },
      json: { type: 'boolean', default: false },
    });
    if (positionals.length > 0) throw new Usage(`"${positionals[0] ?? ''}" is not understood; see remit token --help`);
    if (values.agent === undefined) throw new Usage('--agent is required; see remit token --help');
    const chain = values.chain?.split(',').map((s) => s.trim()) ?? [];
    for (const [option, ids] of [
      ['--user', [values.user]],
      ['--agent', [values.agent]],
      ['--chain', chain],
    ] as const) {
      for (const id of ids) {
        const problem = id === undefined ? undefined : idProblem(id);
        if (problem !== undefined) throw new Usage(`${option} ${problem}`);
      }
    }
    if (chain.length > 0 && values.user === undefined)
      throw new Usage('--chain needs --user: an agent that acts for itself has no chain');
    if (chain.length >= MAX_CHAIN) throw new Usage(`--chain can name ${MAX_CHAIN - 1} agents at most`);
    const ttlSeconds = seconds(values.ttl, '--ttl');
    const details = values.detail?.map((text) => jsonObject(text, '--detail'));

    const config = loadConfig(values.config);
    if (!isLoopback(config.host)) throw new ConfigError('the development issuer exists on loopback only', config.file);
    makeDirectory(config.data);
    const issuer = await openDevIssuer(config.data);
    const now = new Date();
    const token = await issuer.mint({
      user: values.user,
      agent: values.agent,
      chain,
      scope: values.scope,
      details,
      audience: values.audience,
      ttlSeconds,
      now,
    });
    const expires = new Date((Math.floor(now.getTime() / 1000) + ttlSeconds) * 1000).toISOString();
    process.stdout.write(values.json ? `${JSON.stringify({ token, expires_at: expires })}\n` : `${token}\n`);
    return 0;
  },
};
