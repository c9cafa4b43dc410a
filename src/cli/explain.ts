/** `remit explain`: the story of one decision. */
import { loadConfig, type Config } from '../config.js';
import { readSources, shown } from '../config/files.js';
import { explain } from '../explaining/explain.js';
import { readRecord } from '../explaining/record.js';
import type { DecisionRecord } from '../model/decision.js';
import { loadRules } from '../rules/load.js';
import { ask, refusal } from './ask.js';
import { readOptions, Usage, type Command } from './command.js';
import { explanationText } from './explanation.js';
import { recordsOf } from './records.js';

const HELP = `
Usage: remit explain ID [options]

Tells the story of a decision on record: each step with its evidence, the relationships that grant it as a tree, and the
policies that took it in, each condition with whether it held and the values that it read. Asks the running service of
the data directory, or opens the engines itself. Exit code 0 whether it was an allow or a deny.

  --file FILE      the record from a file, as GET /v1/decisions gives them, in place of the service's
  --key KEY        an admin client's key (default: REMIT_KEY, or the development key)
  --config FILE    the configuration, whose schemas and policies explain (default: REMIT_CONFIG, or the sample's)
  --json           prints one JSON object
`;

export const explainCommand: Command = {
  name: 'explain',
  summary: 'tell the story of a decision on record',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      file: { type: 'string' },
      key: { type: 'string' },
      config: { type: 'string' },
      json: { type: 'boolean', default: false },
    });
    const [id, more] = positionals;
    if (id === undefined || more !== undefined)
      throw new Usage('remit explain takes the id of one decision; see remit explain --help');
    const config = loadConfig(values.config);
    const rules = loadRules(readSources(config.sources));
    const record =
      values.file === undefined ? await recorded(config, values.key ?? config.key, id) : inFile(values.file, id);
    const told = explain(record, rules);
    process.stdout.write(values.json ? `${JSON.stringify(told, undefined, 2)}\n` : explanationText(told));
    return 0;
  },
};

/** @throws Usage where the service has none of this id, or refuses */
async function recorded(config: Config, key: string | undefined, id: string): Promise<DecisionRecord> {
  const asked = await ask(config, key);
  try {
    const { status, body } = await asked.get(`/v1/decisions/${encodeURIComponent(id)}`);
    if (status !== 200) throw refusal({ status, body });
    return readRecord(body, `decision ${id}`);
  } finally {
    await asked.close();
  }
}

/** @throws Usage, ConfigError */
function inFile(file: string, id: string): DecisionRecord {
  const found = recordsOf(file).find((record) => record.id === id);
  if (found === undefined) throw new Usage(`${shown(file)} has no decision ${id}`);
  return readRecord(found, `${shown(file)}: decision ${id}`);
}
