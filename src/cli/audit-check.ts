/** `remit audit check`: whether a receipt, or the proof of a record, is what the log has; offline, by the public key alone. */
import { parseProofFile, verifyProofFile } from '../audit/proof-file.js';
import { parseReceipt, ReceiptRefused, verifyReceipt, type Receipt, type VerifiedReceipt } from '../audit/receipt.js';
import { NoteRefused, type NoteKey } from '../audit/signed-note.js';
import { displayPath, readTextFile } from '../config/files.js';
import { ConfigError } from '../model/faults.js';
import { parseStrictJson } from '../runtime/strict-json.js';
import { defineCommand } from './command/define-command.js';
import { parseLogKeyOption } from './command/option-values.js';
import { escapedLines, printJson } from './print/terminal.js';

/** The first words of a file that is the proof of a record, and no receipt. */
const PROOF_FILE = 'c2sp.org/tlog-proof@';

export const auditCheckCommand = defineCommand({
  name: 'audit check',
  description: `
    Verifies a receipt of a decision, as GET /v1/decisions/{id}/receipt makes it, or the proof of a record that
    \`remit audit prove\` prints: by the public key of the log alone, without a service or a configuration. It prints what is
    proved, and names what isn't.`,
  positionals: [{ name: 'FILE', description: 'the receipt, or the proof' }],
  options: {
    key: {
      value: 'KEY',
      description: 'the public key of the log, as GET /v1/audit/key shows it: "origin+hash+key"',
      required: true,
      parse: parseLogKeyOption,
    },
    json: {
      description: 'prints one JSON object: {"valid": true, …what is proved} or {"valid": false, "at", "message"}',
    },
  },
  exitCodes: { 0: 'all that the file says is proved', 1: 'something of it is not' },
  examples: ['remit audit check decision.receipt.json --key "$KEY"'],
  run: ({ positionals: [file], options }) => {
    const text = readTextFile(file);
    try {
      const verified = text.startsWith(PROOF_FILE)
        ? checkProof(text, options.key)
        : checkReceipt(text, file, options.key);
      if (options.json) printJson({ valid: true, ...describeVerifiedJson(verified, options.key) });
      else process.stdout.write(describeReceipt(verified, options.key));
      return Promise.resolve(0);
    } catch (error) {
      if (!(error instanceof ReceiptRefused)) throw error;
      const { at, message } = error;
      if (options.json) printJson({ valid: false, at, message });
      else process.stdout.write(escapedLines([`Not proved: ${at}: ${message}.`]));
      return Promise.resolve(1);
    }
  },
});

/** @throws ConfigError where it is no receipt; ReceiptRefused */
function checkReceipt(text: string, file: string, key: NoteKey): VerifiedReceipt {
  return verifyReceipt(readReceipt(text, file), key);
}

/** @throws ConfigError */
function readReceipt(text: string, file: string): Receipt {
  try {
    return parseReceipt(text);
  } catch (error) {
    if (error instanceof ReceiptRefused) throw new ConfigError(error.message, displayPath(file));
    throw error;
  }
}

/** @throws ReceiptRefused */
function checkProof(text: string, key: NoteKey): VerifiedReceipt {
  try {
    const { leaf, head } = verifyProofFile(text, key);
    const { index } = parseProofFile(text);
    return {
      leaf: parseStrictJson(leaf.toString()) as VerifiedReceipt['leaf'],
      parts: {},
      values: {},
      index,
      size: head.size,
    };
  } catch (error) {
    if (error instanceof NoteRefused) throw new ReceiptRefused('proof', error.message);
    throw error;
  }
}

function describeVerifiedJson({ leaf, index, size, parts, values }: VerifiedReceipt, key: NoteKey): object {
  const { id, kind, at, about } = leaf;
  return { id, kind, at, ...(about === undefined ? {} : { about }), log: key.name, index, size, parts, values };
}

function describeReceipt({ leaf, index, size, parts, values }: VerifiedReceipt, key: NoteKey): string {
  const about = leaf.about === undefined ? '' : ` about ${leaf.about}`;
  return escapedLines([
    `Proved: the ${leaf.kind} ${leaf.id}${about} of ${leaf.at} is record ${index} of the ${size} in the log ${key.name}.`,
    ...[...Object.entries(parts), ...Object.entries(values)].map(
      ([name, value]) => `${name}: ${JSON.stringify(value)}`,
    ),
  ]);
}
