/** `remit explain`: the story of one decision. */
import { loadConfig } from '../config/config.js';
import { readSources, shown } from '../config/files.js';
import { explain } from '../records/explain/explain.js';
import { whyNot } from '../author/why-not/why-not.js';
import { readRecord } from '../records/parse-record.js';
import type { DecisionRecord } from '../model/decision.js';
import { loadRules } from '../policy/load.js';
import { ask, refusal, type Asked } from './service-request.js';
import { readOptions, Usage, type Command } from './command.js';
import { explanationText } from './print/explanation.js';
import { fromFile } from './records.js';
import { whyNotText } from './print/why-not.js';
import { worldOf } from './service-world.js';

const HELP = `
Usage: remit explain ID [options]

Tells the story of a decision on record: each step with its evidence, the relationships that grant it as a tree, and the
policies that took it in, each condition with whether it held and the values that it read. Asks the running service of
the data directory, or opens the engines itself. Exit code 0 whether it was an allow or a deny.

  --why-not        of a deny also says what would make it an allow: the fewest and mildest changes, decided again with
                   them. Relationships are read from the service, and supposed in a SpiceDB of the command's own
  --file FILE      the record from a file, as GET /v1/decisions gives them, in place of the service's
  --key KEY        an admin client's key (default: REMIT_KEY, or the development key)
  --config FILE    the configuration, whose schemas and policies explain (default: REMIT_CONFIG, or the sample's)
  --json           prints one JSON object
`;

export const explainCommand: Command = {
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      file: { type: 'string' },
      'why-not': { type: 'boolean', default: false },
      key: { type: 'string' },
      config: { type: 'string' },
      json: { type: 'boolean', default: false },
    });
    const [id, more] = positionals;
    if (id === undefined || more !== undefined)
      throw new Usage('remit explain takes the id of one decision; see remit explain --help');
    const config = loadConfig(values.config);
    const sources = readSources(config.sources);
    const rules = loadRules(sources);
    const asked = values.file === undefined ? await ask(config, values.key ?? config.key) : undefined;
    try {
      const record = asked === undefined ? inFile(values.file ?? '', id) : await recorded(asked, id);
      const world = asked === undefined ? undefined : worldOf(asked);
      const told = explain(record, rules);
      const why = values['why-not'] ? await whyNot(record, { rules, sources, world }) : undefined;
      process.stdout.write(
        values.json
          ? `${JSON.stringify({ ...told, ...(why === undefined ? {} : { why_not: why }) }, undefined, 2)}\n`
          : `${explanationText(told)}${why === undefined ? '' : whyNotText(why)}`,
      );
      return 0;
    } finally {
      await asked?.close();
    }
  },
};

/** @throws Usage where the service has none of this id, or refuses */
async function recorded(asked: Asked, id: string): Promise<DecisionRecord> {
  const { status, body } = await asked.get(`/v1/decisions/${encodeURIComponent(id)}`);
  if (status !== 200) throw refusal({ status, body });
  return readRecord(body, `decision ${id}`);
}

/** @throws Usage, ConfigError */
function inFile(file: string, id: string): DecisionRecord {
  const found = fromFile(file).find((record) => record.id === id);
  if (found === undefined) throw new Usage(`${shown(file)} has no decision ${id}`);
  return readRecord(found, `${shown(file)}: decision ${id}`);
}
