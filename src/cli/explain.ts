/** `remit explain`: one decision on record, explained. */
import { loadConfig } from '../config/config.js';
import { displayPath, readSources } from '../config/files.js';
import { explainRecord, hasPath, type LaterPath } from '../records/explain/explain.js';
import { explainDenial } from '../author/why-not/why-not.js';
import { parseRecord } from '../records/parse-record.js';
import { ConfigError } from '../model/faults.js';
import type { DecisionRecord } from '../model/decision.js';
import { loadRules } from '../policy/load.js';
import { defineCommand } from './command/define-command.js';
import { VALUES_KEY_OPTION, CONFIG_OPTION } from './command/option-values.js';
import { explanationText } from './print/explanation.js';
import { printJson } from './print/terminal.js';
import { whyNotText } from './print/why-not.js';
import { readRecordsFile } from './record-source.js';
import { acceptedValues, openServiceClient, parseReply, type ServiceClient } from './service-client.js';
import { serviceWorld } from './service-world.js';
import { UsageError } from './command/usage-error.js';

export const explainCommand = defineCommand({
  name: 'explain',
  description: `
    Explains a decision on record: each step with its evidence, the relationships that grant it as a tree, and the
    policies whose scope matches it, each condition with whether it held and the values that it read. The running service
    of the data directory is asked for the record; where none runs, the command opens the engines itself.`,
  positionals: [{ name: 'ID', description: 'the id of one decision' }],
  options: {
    'why-not': {
      description:
        "of a deny, also prints what would make it an allow: the fewest and mildest changes, decided again with them. Relationships are read from the service, and changed in a SpiceDB of the command's own only",
    },
    file: {
      value: 'FILE',
      description: "reads the record from a file, as GET /v1/decisions?values=true gives them, and not the service's",
    },
    key: VALUES_KEY_OPTION,
    config: { ...CONFIG_OPTION, description: `${CONFIG_OPTION.description}, whose schemas and policies explain` },
    json: { description: 'prints one JSON object' },
  },
  exitCodes: { 0: 'the decision is explained, an allow or a deny' },
  examples: ['remit explain 01999999-0000-7000-8000-000000000000 --why-not'],
  run: async ({ positionals: [id], options }) => {
    const config = loadConfig(options.config);
    const sources = readSources(config.sources);
    const rules = loadRules(sources);
    const client = options.file === undefined ? await openServiceClient(config, options.key) : undefined;
    try {
      const record = client === undefined ? findRecordInFile(options.file ?? '', id) : await fetchRecord(client, id);
      const world = client === undefined ? undefined : serviceWorld(client);
      if ('values_erased' in record)
        throw new ConfigError('its values were erased, or are no longer kept (values_erased)', `decision ${id}`);
      const proof = client === undefined || hasPath(record) ? undefined : await fetchPath(client, record.id);
      const explanation = explainRecord(record, rules, proof);
      const whyNot = options['why-not'] ? await explainDenial(record, { rules, sources, world }) : undefined;
      if (options.json) printJson({ ...explanation, ...(whyNot === undefined ? {} : { why_not: whyNot }) });
      else process.stdout.write(`${explanationText(explanation)}${whyNot === undefined ? '' : whyNotText(whyNot)}`);
      return 0;
    } finally {
      await client?.close();
    }
  },
});

/** @throws UsageError where the service refuses, or has no decision of this id */
async function fetchRecord(client: ServiceClient, id: string): Promise<DecisionRecord> {
  const reply = await client.get(`/v1/decisions/${encodeURIComponent(id)}?values=true`);
  return parseRecord(acceptedValues(reply), `decision ${id}`);
}

/** Has the service prove the path that the record lacks, or say why it can't. @throws UsageError where it refuses for another reason */
async function fetchPath(client: ServiceClient, id: string): Promise<LaterPath> {
  const reply = await client.post(`/v1/decisions/${encodeURIComponent(id)}/path?values=true`, {});
  if (reply.status !== 409) return acceptedValues(reply) as LaterPath;
  const { error } = parseReply(reply) as { error: { code: string; message: string } };
  return { problem: `${error.message} (${error.code})` };
}

/** @throws ConfigError for the file, UsageError where it has no decision of this id */
function findRecordInFile(path: string, id: string): DecisionRecord {
  const record = readRecordsFile(path).find((candidate) => candidate.id === id);
  if (record === undefined) throw new UsageError(`${displayPath(path)} has no decision ${id}`);
  return parseRecord(record, `${displayPath(path)}: decision ${id}`);
}
