/** `remit token`: mints a delegation token from the development issuer, explains one, or verifies one. */
import { loadConfig } from '../config/config.js';
import { createDataDirectory } from '../runtime/directory-lock.js';
import { ConfigError } from '../model/faults.js';
import { findIdProblem } from '../model/ids.js';
import { MAX_CHAIN_LENGTH } from '../tokens/actors.js';
import { openDevelopmentIssuer } from '../issue/development-issuer.js';
import { parseJsonObject, readOptions, parseDurationSeconds, UsageError, type Command } from './command.js';
import { runTokenInspect } from './token-inspect.js';
import { runTokenVerify } from './token-verify.js';

const HELP = `
Usage: remit token [mint] [--agent ID] [--user ID] [options]
       remit token inspect TOKEN [--config FILE] [--json]
       remit token verify TOKEN [--jwks FILE] [--issuer I] [--audience A] [--config FILE] [--json]

mint prints a token, signed by the development issuer: of an agent that acts for a user, or, without --user, for
itself; or, without --agent, of a user, for what is their own. That issuer exists only with embedded engines on loopback.

  --user ID         the person on whose behalf the agent acts
  --agent ID        the agent that acts
  --chain ID,ID     earlier agents, newest first
  --scope "A B"     scopes, separated by spaces
  --detail JSON     one entry of authorization_details; may be repeated
  --background      for use while the user is not there
  --purpose TEXT    what it is for
  --session ID      the session it belongs to (sid)
  --jkt THUMBPRINT  binds it to a key, whose holder then proves it (DPoP)
  --audience NAME   whom the token is for (default: the development issuer's)
  --ttl DURATION    how long it lives, such as 90s, 5m, 1h (default 5m)
  --config FILE     the configuration (default: REMIT_CONFIG, or the sample's)
  --json            prints {"token": …, "expires_at": …}

inspect explains a token in words, without verifying it: who acts, for whom, what it covers, until when, and what is
wrong with it. Exit code 1 where something is. The token "-" is read from standard input.

verify says whether the signature holds and whether the token would be accepted: by the configured issuers, or, with
--jwks, by the keys of a file, whoever issued it and whomever it is for unless --issuer and --audience say so.
With --json it prints {"signature": "valid" or "invalid", "valid": …, "reasons": […]}, where "signature" is about the
JWS alone, whatever its payload. Exit code 0 only where both hold. What is asked of the running service only
(revocations, proofs of possession, whether the client is an agent) is not part of it.
`;

export const tokenCommand: Command = {
  help: HELP,
  run: ([first = '', ...rest]) => {
    if (first === 'inspect') return runTokenInspect(rest);
    if (first === 'verify') return runTokenVerify(rest);
    return runTokenMint(first === 'mint' ? rest : [first, ...rest].filter((arg) => arg !== ''));
  },
};

async function runTokenMint(args: readonly string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    user: { type: 'string' },
    agent: { type: 'string' },
    chain: { type: 'string' },
    scope: { type: 'string' },
    detail: { type: 'string', multiple: true },
    background: { type: 'boolean', default: false },
    purpose: { type: 'string' },
    session: { type: 'string' },
    jkt: { type: 'string' },
    audience: { type: 'string' },
    ttl: { type: 'string', default: '5m' },
    config: { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  if (positionals.length > 0)
    throw new UsageError(`"${positionals[0] ?? ''}" is not understood; see remit token --help`);
  if (values.agent === undefined && values.user === undefined)
    throw new UsageError('--agent or --user is required; see remit token --help');
  if (values.agent === undefined && values.chain !== undefined) throw new UsageError('--chain needs --agent');
  const chain = values.chain?.split(',').map((s) => s.trim()) ?? [];
  for (const [option, ids] of [
    ['--user', [values.user]],
    ['--agent', [values.agent]],
    ['--chain', chain],
  ] as const) {
    for (const id of ids) {
      const problem = id === undefined ? undefined : findIdProblem(id);
      if (problem !== undefined) throw new UsageError(`${option} ${problem}`);
    }
  }
  if (chain.length > 0 && values.user === undefined)
    throw new UsageError('--chain needs --user: an agent that acts for itself has no chain');
  if (chain.length >= MAX_CHAIN_LENGTH) throw new UsageError(`--chain can name ${MAX_CHAIN_LENGTH - 1} agents at most`);
  if (values.jkt !== undefined && !/^[A-Za-z0-9_-]{43}$/.test(values.jkt))
    throw new UsageError('--jkt must be a SHA-256 thumbprint in base64url (RFC 7638)');
  const ttlSeconds = parseDurationSeconds(values.ttl, '--ttl');
  const details = values.detail?.map((text) => parseJsonObject(text, '--detail'));

  const config = loadConfig(values.config);
  if (!config.development)
    throw new ConfigError('the development issuer exists with embedded engines on loopback only', config.file);
  createDataDirectory(config.data);
  const issuer = await openDevelopmentIssuer(config.data);
  const now = new Date();
  const { user, agent, scope, audience, background, purpose, session, jkt } = values;
  const token = await issuer.mint({
    user,
    agent,
    chain,
    scope,
    details,
    audience,
    background,
    purpose,
    session,
    jkt,
    ttlSeconds,
    now,
  });
  const expires = new Date((Math.floor(now.getTime() / 1000) + ttlSeconds) * 1000).toISOString();
  process.stdout.write(values.json ? `${JSON.stringify({ token, expires_at: expires })}\n` : `${token}\n`);
  return 0;
}
