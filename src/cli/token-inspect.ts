/** `remit token inspect`: a token explained in words, with what is wrong with it; nothing of it is verified. */
import { loadConfig, type Config } from '../config/config.js';
import { inspectToken } from '../tokens/inspect.js';
import type { IssuerConfig } from '../tokens/issuers.js';
import { DEV_ISSUER_CONFIG } from '../issue/development-issuer.js';
import { defineCommand } from './command/define-command.js';
import { CONFIG_OPTION, readTokenOrStdin } from './command/option-values.js';
import { printJson } from './print/terminal.js';
import { inspectionText } from './print/token-inspection.js';

export const tokenInspectCommand = defineCommand({
  name: 'token inspect',
  description: `
    Explains a token in words, without verifying it: which agent acts, for which user, what the token covers, until when,
    and what is wrong with it.`,
  positionals: [{ name: 'TOKEN', description: 'one token; "-" reads it from standard input', allowsEmpty: true }],
  options: { config: CONFIG_OPTION, json: { description: "prints the token's claims as data" } },
  exitCodes: { 0: 'nothing is wrong with the token', 1: 'something is wrong with it' },
  examples: ['remit token inspect -- "$TOKEN"'],
  run: async ({ positionals: [argument], options }) => {
    const text = await readTokenOrStdin(argument);
    const now = new Date();
    const config = loadConfig(options.config);
    const audiences = config.clients.flatMap(({ audience }) => audience ?? []);
    const inspection = inspectToken(text, readableIssuers(config), audiences, now);
    if (options.json) printJson(inspection);
    else process.stdout.write(inspectionText(inspection, now));
    return inspection.problems.length === 0 ? 0 : 1;
  },
});

/** The configured issuers, and the development issuer without its key: for reading a token no key is needed. */
function readableIssuers({ issuers }: Config): IssuerConfig[] {
  return [...issuers, { ...DEV_ISSUER_CONFIG, jwks: { keys: [] } }];
}
