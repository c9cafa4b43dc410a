/** `remit usage`: how agents used what they were granted, and what would have been enough. */
import { loadConfig } from '../config/config.js';
import type { UsageJson } from '../http/usage-json.js';
import { defineCommand } from './command/define-command.js';
import { VALUES_KEY_OPTION, CONFIG_OPTION, wholeNumber } from './command/option-values.js';
import { printJson } from './print/terminal.js';
import { usageText } from './print/usage.js';
import { acceptedValues, withServiceClient } from './service-client.js';

export const usageCommand = defineCommand({
  name: 'usage',
  description: `
    Shows how agents used what a user, or any user, granted them: what was never used, done for the first time and denied,
    bursts of questions, and the narrowest details that would have covered all that was really done. Recorded allows are
    decided again with these, to count how many they would have denied. The running service of the data directory is asked;
    where none runs, the command opens the engines itself.`,
  options: {
    user: { value: 'USER', description: 'the user: "ann" or "user:ann". It may be left out where --agent is given' },
    agent: { value: 'AGENT', description: 'the agent: "notes-bot" or "agent:notes-bot"' },
    days: {
      value: 'N',
      description: 'the days up to now',
      default: '30',
      parse: wholeNumber(1, 365),
    },
    key: { ...VALUES_KEY_OPTION, description: `${VALUES_KEY_OPTION.description}; or a user's token, for their own` },
    config: CONFIG_OPTION,
    json: { description: 'prints the answer of GET /v1/usage' },
  },
  exitCodes: { 0: 'the usage is printed' },
  examples: ['remit usage --user ann', 'remit usage --agent notes-bot --days 90 --json'],
  run: async ({ options }) => {
    const query = new URLSearchParams({ days: String(options.days) });
    if (options.user !== undefined) query.set('user', options.user);
    if (options.agent !== undefined) query.set('agent', options.agent);
    const usage = await withServiceClient(
      loadConfig(options.config),
      options.key,
      async (client) => acceptedValues(await client.get(`/v1/usage?${query.toString()}`)) as UsageJson,
    );
    if (options.json) printJson(usage);
    else process.stdout.write(usageText(usage));
    return 0;
  },
});
