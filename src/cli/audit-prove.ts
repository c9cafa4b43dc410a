/** `remit audit prove`: the proof that a record is in the log, as a file of its own. */
import { loadConfig } from '../config/config.js';
import { defineCommand } from './command/define-command.js';
import { CLIENT_KEY_OPTION, CONFIG_OPTION } from './command/option-values.js';
import { printJson } from './print/terminal.js';
import { acceptedText, withServiceClient } from './service-client.js';

export const auditProveCommand = defineCommand({
  name: 'audit prove',
  description: `
    Prints the proof that a record is in the log: its leaf, the hashes that lead to the root, and the signed checkpoint
    (c2sp.org/tlog-proof). It is verified offline, with the public key alone.`,
  positionals: [{ name: 'ID', description: 'the id of a decision or of another record' }],
  options: {
    key: CLIENT_KEY_OPTION,
    config: CONFIG_OPTION,
    json: { description: 'prints one JSON object, with the proof as `proof`' },
  },
  exitCodes: { 0: 'the proof is printed' },
  examples: ['remit audit prove 01999999-0000-7000-8000-000000000000 > decision.tlog-proof'],
  run: async ({ positionals: [id], options }) => {
    const proof = await withServiceClient(loadConfig(options.config), options.key, async (client) =>
      acceptedText(await client.get(`/v1/audit/proof/${encodeURIComponent(id)}`)),
    );
    if (options.json) printJson({ id, proof });
    else process.stdout.write(proof);
    return 0;
  },
});
