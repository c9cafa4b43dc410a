/** `remit audit export`: the leaves of the log, a line each. */
import { loadConfig } from '../config/config.js';
import { defineCommand } from './command/define-command.js';
import { ADMIN_KEY_OPTION, CONFIG_OPTION } from './command/option-values.js';
import { UsageError } from './command/usage-error.js';
import { readLogEntries } from './log-client.js';
import { withServiceClient } from './service-client.js';

export const auditExportCommand = defineCommand({
  name: 'audit export',
  description: `
    Prints the leaves of the log in their order. Line i is leaf i, byte for byte, so that others compute the root of a
    checkpoint from them.`,
  options: {
    format: {
      value: 'FORMAT',
      description: '"jsonl": a leaf on each line',
      default: 'jsonl',
      parse: (text, option) => {
        if (text !== 'jsonl') throw new UsageError(`${option} must be "jsonl"`);
        return text;
      },
    },
    key: ADMIN_KEY_OPTION,
    config: CONFIG_OPTION,
    json: { description: 'prints the same: each line is JSON' },
  },
  exitCodes: { 0: 'the log is printed' },
  examples: ['remit audit export --format jsonl > log.jsonl'],
  run: async ({ options }) => {
    await withServiceClient(loadConfig(options.config), options.key, async (client) => {
      for await (const { leaf } of readLogEntries(client, false)) process.stdout.write(`${leaf}\n`);
    });
    return 0;
  },
});
