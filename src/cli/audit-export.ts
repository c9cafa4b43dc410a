/** `remit audit export`: the leaves of the log, or its records for other systems, a line each. */
import { once } from 'node:events';
import { hashLeaf } from '../audit/tree.js';
import { loadConfig, type Config } from '../config/config.js';
import { isUuid } from '../model/ids.js';
import { toCloudEvent } from '../records/export/cloud-event.js';
import type { ExportedRecord, ExportOrigin } from '../records/export/exported-record.js';
import { toOcsfEvent } from '../records/export/ocsf-event.js';
import { isPruned } from '../records/opened-retention.js';
import type { ShownLeaf } from '../records/verify-log.js';
import { VERSION } from '../runtime/version.js';
import { defineCommand } from './command/define-command.js';
import { ADMIN_KEY_OPTION, CONFIG_OPTION } from './command/option-values.js';
import { UsageError } from './command/usage-error.js';
import { fetchRetention, findLogKey, readLogEntries } from './log-client.js';
import { withServiceClient, type ServiceClient } from './service-client.js';

const FORMATS = ['jsonl', 'ocsf', 'cloudevents'] as const;
type ExportFormat = (typeof FORMATS)[number];

export const auditExportCommand = defineCommand({
  name: 'audit export',
  description: `
    Prints the log in its order, a line of JSON each. As "jsonl", line i is leaf i, byte for byte, so that others compute the
    root of a checkpoint from them. As "ocsf" (OCSF 1.9.0, API Activity) and "cloudevents" (CloudEvents 1.0) it prints the
    records, with people and values as the log has them: by pseudonyms and commitments.`,
  options: {
    format: {
      value: 'FORMAT',
      description: '"jsonl", "ocsf" or "cloudevents"',
      default: 'jsonl',
      parse: (text, option): ExportFormat => {
        const format = FORMATS.find((name) => name === text);
        if (format === undefined) throw new UsageError(`${option} must be "jsonl", "ocsf" or "cloudevents"`);
        return format;
      },
    },
    from: {
      value: 'PLACE',
      description: 'begins with this record: its index in the log, or its id',
      default: '0',
      parse: (text, option): string => {
        if (/^(0|[1-9]\d{0,8})$/.test(text) || isUuid(text)) return text;
        throw new UsageError(`${option} must be an index, or the id of a record`);
      },
    },
    key: ADMIN_KEY_OPTION,
    config: CONFIG_OPTION,
    json: { description: 'prints the same: each line is JSON' },
  },
  exitCodes: { 0: 'the log is printed', 1: 'it is, without records that are gone' },
  examples: ['remit audit export --format jsonl > log.jsonl', 'remit audit export --format ocsf --from 1200'],
  run: async ({ options }) => {
    const config = loadConfig(options.config);
    const gone = await withServiceClient(config, options.key, (client) =>
      options.format === 'jsonl'
        ? exportLeaves(client, options.from)
        : exportRecords(client, options.from, options.format, config),
    );
    if (gone === 0) return 0;
    process.stderr.write(`remit: ${gone} records are gone, and left out: see remit audit verify\n`);
    return 1;
  },
});

async function exportLeaves(client: ServiceClient, from: string): Promise<number> {
  for await (const { leaf } of readLogEntries(client, false, from)) await writeLine(leaf);
  return 0;
}

/** @returns the number of records that are gone, without those that the retention has pruned */
async function exportRecords(
  client: ServiceClient,
  from: string,
  format: Exclude<ExportFormat, 'jsonl'>,
  { publicUrl }: Pick<Config, 'publicUrl'>,
): Promise<number> {
  const key = await findLogKey(client);
  // An unsigned log has no name of its own.
  const log = key?.name ?? 'remit';
  const { retention } = await fetchRetention(client, key === undefined ? [] : [key]);
  const origin: ExportOrigin = { log, source: publicUrl ?? log };
  let gone = 0;
  for await (const leaf of readLogEntries(client, true, from)) {
    const exported = toExportedRecord(leaf);
    if (exported === undefined) {
      if (retention === undefined || !isPruned(retention, leaf.index, leaf.leaf)) gone += 1;
    } else
      await writeLine(
        JSON.stringify(format === 'ocsf' ? toOcsfEvent(exported, origin, VERSION) : toCloudEvent(exported, origin)),
      );
  }
  return gone;
}

function toExportedRecord({ index, leaf, record }: ShownLeaf): ExportedRecord | undefined {
  return record === null || record === undefined
    ? undefined
    : { index, leafHash: hashLeaf(leaf).toString('base64'), record };
}

/** Waits for a slow reader, so that no more than a page of the log is in memory. */
async function writeLine(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
}
