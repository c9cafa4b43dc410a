/** `remit token mint`: a delegation token from the development issuer. */
import { loadConfig } from '../config/config.js';
import { prepareDataDirectory } from '../runtime/data-directory.js';
import { ConfigError } from '../model/faults.js';
import { findIdProblem } from '../model/ids.js';
import { trimBlanks } from '../runtime/trim-blanks.js';
import { MAX_CHAIN_LENGTH } from '../tokens/actors.js';
import { openDevelopmentIssuer } from '../issue/development-issuer.js';
import { defineCommand } from './command/define-command.js';
import { CONFIG_OPTION, parseDurationOption, parseJsonOption } from './command/option-values.js';
import { findTypedIds, findUnknownScopes, printWarnings } from './token-warnings.js';
import { printJsonLine } from './print/terminal.js';
import { UsageError } from './command/usage-error.js';

export const tokenMintCommand = defineCommand({
  name: 'token mint',
  description: `
    Prints a token, signed by the development issuer: of an agent that acts for a user; without --user, of an agent that
    acts for itself; without --agent, of a user, for what is their own. That issuer exists only with embedded engines on
    loopback.`,
  options: {
    user: { value: 'ID', description: 'the user on whose behalf the agent acts', parse: parseActorId },
    agent: { value: 'ID', description: 'the agent that acts', parse: parseActorId },
    chain: { value: 'ID,ID', description: 'earlier agents, newest first', parse: parseChain },
    scope: { value: '"A B"', description: 'scopes, separated by spaces', parse: parseNonEmpty },
    detail: {
      value: 'JSON',
      description: 'one entry of authorization_details',
      multiple: true,
      parse: parseJsonOption,
    },
    background: { description: 'for use while the user is not there' },
    purpose: { value: 'TEXT', description: 'the purpose that the token states', parse: parseNonEmpty },
    session: { value: 'ID', description: 'the session that it belongs to (sid)', parse: parseNonEmpty },
    claims: {
      value: 'JSON',
      description: 'the claims that policies read, an object by their names in context.claims',
      parse: parseJsonOption,
    },
    jkt: {
      value: 'THUMBPRINT',
      description: 'binds the token to a key, of which its holder proves possession (DPoP)',
      parse: parseThumbprint,
    },
    audience: {
      value: 'NAME',
      description: "the API that the token is for (default: the development issuer's)",
      parse: parseNonEmpty,
    },
    ttl: {
      value: 'DURATION',
      description: 'the lifetime, such as 90s, 5m, 1h',
      default: '5m',
      parse: parseDurationOption,
    },
    config: CONFIG_OPTION,
    json: { description: 'prints {"token", "expires_at"}' },
  },
  exitCodes: { 0: 'the token is printed' },
  examples: ['remit token --user ann --agent helper --scope "docs.read" --ttl 1h'],
  run: async ({ options }) => {
    const {
      user,
      agent,
      chain = [],
      scope,
      detail,
      background,
      purpose,
      session,
      claims,
      jkt,
      audience,
      ttl,
    } = options;
    if (agent === undefined && user === undefined)
      throw new UsageError('--agent or --user is required; see remit token --help');
    if (chain.length > 0 && agent === undefined) throw new UsageError('--chain needs --agent');
    if (chain.length > 0 && user === undefined)
      throw new UsageError('--chain needs --user: an agent that acts for itself has no chain');
    const config = loadConfig(options.config);
    if (!config.development)
      throw new ConfigError('the development issuer exists with embedded engines on loopback only', config.file);
    const ids = Object.fromEntries(chain.map((id, i) => [`--chain (${i + 1})`, id]));
    printWarnings([
      ...findTypedIds({ '--user': user, '--agent': agent, ...ids }),
      ...(scope === undefined ? [] : findUnknownScopes(scope, config)),
    ]);
    prepareDataDirectory(config.data);
    const issuer = await openDevelopmentIssuer(config.data);
    const now = new Date();
    const token = await issuer.mint({
      user,
      agent,
      chain,
      scope,
      details: detail.length === 0 ? undefined : detail,
      audience,
      background,
      purpose,
      session,
      claims,
      jkt,
      ttlSeconds: ttl,
      now,
    });
    const expiresAt = new Date((Math.floor(now.getTime() / 1000) + ttl) * 1000).toISOString();
    if (options.json) printJsonLine({ token, expires_at: expiresAt });
    else process.stdout.write(`${token}\n`);
    return 0;
  },
});

/** @throws UsageError */
function parseActorId(text: string, option: string): string {
  const problem = findIdProblem(text);
  if (problem !== undefined) throw new UsageError(`${option} ${problem}`);
  return text;
}

/** An empty text would be an empty claim, which is none. @throws UsageError */
function parseNonEmpty(text: string, option: string): string {
  if (text.trim() === '') throw new UsageError(`${option} must not be empty: leave it out`);
  return text;
}

/** @throws UsageError */
function parseChain(text: string, option: string): string[] {
  const ids = text.split(',').map((id) => parseActorId(trimBlanks(id), option));
  // The agent that acts is one of the chain.
  if (ids.length >= MAX_CHAIN_LENGTH) throw new UsageError(`${option} can name ${MAX_CHAIN_LENGTH - 1} agents at most`);
  return ids;
}

/** @throws UsageError */
function parseThumbprint(text: string, option: string): string {
  if (!/^[A-Za-z0-9_-]{43}$/.test(text))
    throw new UsageError(`${option} must be a SHA-256 thumbprint in base64url (RFC 7638)`);
  return text;
}
