/** The text that `remit serve` prints once it listens: addresses, files, and a request that can be pasted into a shell. */
import { displayPath } from '../../config/files.js';
import type { Service } from '../../service/service.js';
import { nameTokenCommand } from './program-name.js';
import { databaseAddress } from '../../store/database/postgres-connection.js';

/** A request that a newcomer can try. */
export interface ExampleRequest {
  /** The request in words: `may helper do this for ann: Read a document (document plan)?`. */
  readonly question: string;
  /** The body of `POST /access/v1/evaluation`, with a token that lasts an hour. */
  readonly body: { readonly context: object; readonly [member: string]: unknown };
}

/**
 * @param url of the main listener
 * @param adminUrl of the listener for administration; undefined where there is one listener
 * @param configOption the configuration that the command line names
 */
export function welcomeText(
  service: Service,
  url: string,
  adminUrl: string | undefined,
  example: ExampleRequest | undefined,
  configOption: string | undefined,
): string {
  const { config, devKey, devIssuer } = service;
  const { policies, version } = service.activePolicies.rules;
  const data = config.database.mode === 'embedded' ? `${displayPath(config.data)}/` : databaseAddress(config.database);
  const reloadNote = config.reload.policies === 'watch' ? ', reloaded when they change' : '';
  const reloadText = `\`kill -HUP ${process.pid}\` has it read its configuration again`;
  const lines = [
    `Remit is listening on ${url}`,
    `  configuration ${displayPath(config.file)}, data in ${data}`,
    `  policies      ${policies.size} in ${displayPath(config.sources.policies)}/, version ${version.slice(0, 12)}${reloadNote}`,
  ];
  if (adminUrl !== undefined) lines.push(`  administration ${adminUrl}, and only there`);
  if (devKey !== undefined)
    lines.push(`  no client is configured: development key ${devKey} (also in ${displayPath(config.data)}/dev.key)`);
  if (devIssuer !== undefined)
    lines.push(
      `  the development issuer is active (loopback): \`${nameTokenCommand(configOption)}\` mints a token for any user and agent`,
    );
  lines.push(`  reference     ${url}/docs`);
  lines.push(`  process       ${process.pid}: \`kill ${process.pid}\` stops it, ${reloadText}`);
  if (example !== undefined && devKey !== undefined)
    lines.push(
      '',
      `Ask it: ${example.question} The token lasts an hour.`,
      '',
      `curl -s ${url}/access/v1/evaluation \\`,
      `  -H 'Authorization: Bearer ${devKey}' \\`,
      `  -H 'Content-Type: application/json' \\`,
      `  -d '${JSON.stringify(example.body)}'`,
    );
  return `${lines.join('\n')}\n\n`;
}
