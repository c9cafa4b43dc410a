/** `remit explain`: the story of one decision. */
import { loadConfig } from '../config/config.js';
import { readSources, displayPath } from '../config/files.js';
import { explainRecord } from '../records/explain/explain.js';
import { explainDenial } from '../author/why-not/why-not.js';
import { parseRecord } from '../records/parse-record.js';
import type { DecisionRecord } from '../model/decision.js';
import { loadRules } from '../policy/load.js';
import { openServiceClient, rejectionError, type ServiceClient } from './service-client.js';
import { readOptions, UsageError, type Command } from './command.js';
import { explanationText } from './print/explanation.js';
import { readRecordsFile } from './record-source.js';
import { whyNotText } from './print/why-not.js';
import { serviceWorld } from './service-world.js';

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
    const [id, extra] = positionals;
    if (id === undefined || extra !== undefined)
      throw new UsageError('remit explain takes the id of one decision; see remit explain --help');
    const config = loadConfig(values.config);
    const sources = readSources(config.sources);
    const rules = loadRules(sources);
    const client =
      values.file === undefined ? await openServiceClient(config, values.key ?? config.clientKey) : undefined;
    try {
      const record = client === undefined ? findRecordInFile(values.file ?? '', id) : await fetchRecord(client, id);
      const world = client === undefined ? undefined : serviceWorld(client);
      const explanation = explainRecord(record, rules);
      const whyNotResult = values['why-not'] ? await explainDenial(record, { rules, sources, world }) : undefined;
      process.stdout.write(
        values.json
          ? `${JSON.stringify({ ...explanation, ...(whyNotResult === undefined ? {} : { why_not: whyNotResult }) }, undefined, 2)}\n`
          : `${explanationText(explanation)}${whyNotResult === undefined ? '' : whyNotText(whyNotResult)}`,
      );
      return 0;
    } finally {
      await client?.close();
    }
  },
};

/** @throws Usage where the service has none of this id, or refuses */
async function fetchRecord(client: ServiceClient, id: string): Promise<DecisionRecord> {
  const { status, body } = await client.get(`/v1/decisions/${encodeURIComponent(id)}`);
  if (status !== 200) throw rejectionError({ status, body });
  return parseRecord(body, `decision ${id}`);
}

/** @throws Usage, ConfigError */
function findRecordInFile(file: string, id: string): DecisionRecord {
  const record = readRecordsFile(file).find((record) => record.id === id);
  if (record === undefined) throw new UsageError(`${displayPath(file)} has no decision ${id}`);
  return parseRecord(record, `${displayPath(file)}: decision ${id}`);
}
