/** `remit audit verify`: the whole log, against its records, its signature and checkpoints that were kept. */
import type { NoteKey } from '../audit/signed-note.js';
import { loadConfig } from '../config/config.js';
import { displayPath, readTextFile } from '../config/files.js';
import type { TreeHead } from '../audit/tree.js';
import { ConfigError } from '../model/faults.js';
import { listKeptNotes } from '../records/log-witness.js';
import { LogVerifier, type LogFinding } from '../records/verify-log.js';
import { defineCommand } from './command/define-command.js';
import { ADMIN_KEY_OPTION, CONFIG_OPTION, parseLogKeyOption } from './command/option-values.js';
import { fetchLogHead, fetchLogKey, fetchRetention, openNamedCheckpoint, readLogEntries } from './log-client.js';
import { escapedLines, printJson } from './print/terminal.js';
import { acceptedBody, withServiceClient, type ServiceClient } from './service-client.js';

export interface VerifiedLog {
  readonly size: number;
  /** The checkpoints that the log was held against, beside its own. */
  readonly kept: number;
  /** The records that the retention has pruned. */
  readonly pruned: number;
  readonly waiting: readonly string[];
  readonly findings: readonly LogFinding[];
}

export const auditVerifyCommand = defineCommand({
  name: 'audit verify',
  description: `
    Verifies the log: computes each leaf from its record again, the root from the leaves, and holds it against the signed
    checkpoint, and against those that were kept elsewhere. It names records that were changed, removed, added or moved, and
    lists those that have no place in the log yet. Records that the retention has pruned are counted: a key of the log has signed
    which ones may be gone.`,
  options: {
    checkpoint: {
      value: 'FILE',
      description: 'checkpoints that were kept, one after the other: the log must begin with each',
    },
    'log-key': {
      value: 'KEY',
      description:
        "the public key of the log, as GET /v1/audit/key shows it (default: the service's word for it); again for each former key that kept checkpoints are by",
      multiple: true,
      parse: parseLogKeyOption,
    },
    key: ADMIN_KEY_OPTION,
    config: CONFIG_OPTION,
    json: { description: 'prints one JSON object' },
  },
  exitCodes: { 0: 'the log is what was signed', 1: 'something of it is not' },
  examples: ['remit audit verify', 'remit audit verify --checkpoint kept.checkpoint'],
  run: async ({ options }) => {
    const verified = await withServiceClient(loadConfig(options.config), options.key, async (client) => {
      const keys = options['log-key'].length > 0 ? options['log-key'] : [await fetchLogKey(client)];
      return verifyLog(client, keys, options.checkpoint === undefined ? [] : readKept(options.checkpoint, keys));
    });
    if (options.json) printJson(verified);
    else process.stdout.write(describeVerified(verified));
    return verified.findings.length === 0 ? 0 : 1;
  },
});

/** @throws UsageError, ConfigError where the checkpoint isn't signed by one of the keys */
async function verifyLog(
  client: ServiceClient,
  keys: readonly NoteKey[],
  kept: readonly TreeHead[],
): Promise<VerifiedLog> {
  // Before the head, so that what has pruned is in the log of that head.
  const { retention, refused } = await fetchRetention(client, keys);
  const head = await fetchLogHead(client, keys);
  const verifier = new LogVerifier(head, kept, retention);
  verifier.takeRefused(refused);
  for await (const leaf of readLogEntries(client, true)) {
    // What is sequenced meanwhile is beyond the checkpoint.
    if (leaf.index >= head.size) break;
    verifier.take(leaf);
  }
  const waiting: string[] = [];
  for (let after: string | undefined = ''; after !== undefined;) {
    const page = acceptedBody(await client.get(`/v1/audit/unsequenced${after === '' ? '' : `?after=${after}`}`)) as {
      readonly waiting: readonly string[];
      readonly unlogged: readonly string[];
      readonly lost: readonly string[];
      readonly next?: string;
    };
    waiting.push(...page.waiting);
    verifier.takeUnlogged(page.unlogged, page.lost);
    after = page.next;
  }
  const findings = verifier.finish();
  return { size: head.size, kept: kept.length, pruned: verifier.pruned, waiting, findings };
}

/** @throws ConfigError where the file has no checkpoint, or one that isn't signed by one of the keys */
function readKept(path: string, keys: readonly NoteKey[]): TreeHead[] {
  const notes = listKeptNotes(readTextFile(path));
  if (notes.length === 0) throw new ConfigError('has no checkpoint', displayPath(path));
  return notes.map((note, i) => openNamedCheckpoint(note, keys, `${displayPath(path)}: checkpoint ${i + 1}`));
}

function describeVerified({ size, kept, pruned, waiting, findings }: VerifiedLog): string {
  const lines = findings.map(({ kind, message, id, index }) =>
    [kind, ...(index === undefined ? [] : [`at ${index}`]), ...(id === undefined ? [] : [id]), message].join('  '),
  );
  const verdict =
    findings.length === 0
      ? `The log of ${size} records is what was signed${kept === 0 ? '' : `, and begins with ${kept} kept checkpoints`}.`
      : `The log of ${size} records is not what was signed: ${findings.length} findings.`;
  const rest = [
    ...(pruned === 0 ? [] : [`${pruned} of them were pruned, as the retention has said.`]),
    ...(waiting.length === 0 ? [] : [`Not in the log yet: ${waiting.join(', ')}`]),
  ];
  return escapedLines([...lines, verdict, ...rest]);
}
