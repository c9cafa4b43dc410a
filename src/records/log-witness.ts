/**
 * Witnesses: places of the operator's that get checkpoints, so that a log that is set back, or written again, is found
 * out even where all of the database and the key are in one hand.
 */
import { appendFile, open } from 'node:fs/promises';
import { openCheckpointByAny } from '../audit/checkpoint.js';
import { NoteRefused, openOrRefusal, type NoteKey } from '../audit/signed-note.js';
import type { TreeHead } from '../audit/tree.js';
import { Fault } from '../model/faults.js';
import { openOutbound, type HostResolver } from '../runtime/outbound.js';
import { repeat, type RepeatedWork } from '../runtime/repeat.js';
import { VERSION } from '../runtime/version.js';
import type { LogStore } from '../store/log-store.js';
import type { Log } from '../telemetry/log.js';
import { LogProofs } from './log-proofs.js';
import type { Network } from '../runtime/ip-address.js';

export type LogWitness = { readonly file: string } | { readonly url: string; readonly network: Network };

/** The pause between two checkpoints that a witness is sent. */
const WITNESS_PAUSE_MS = 10_000;
const POST_TIMEOUT_MS = 5000;
/** The end of a file, in which its last checkpoints are. */
const TAIL_BYTES = 64 * 1024;
/** A checkpoint among others: three lines, a blank one, and lines of signatures. */
const KEPT_NOTE = /^[^\s\n]+\n\d+\n[\w+/=]+\n\n(?:\u2014 \S+ \S+\n)+/gm;

/** The checkpoints of a text that holds one after the other, in its order. What isn't whole is passed over. */
export function listKeptNotes(text: string): string[] {
  return [...text.matchAll(KEPT_NOTE)].map(([note]) => note);
}

/** Sends the newest checkpoint to one witness. */
export class WitnessSender {
  private sent: string | undefined;
  private readonly proofs: LogProofs;
  private readonly stopping = new AbortController();
  private isFailing = false;

  constructor(
    private readonly witness: LogWitness,
    private readonly deps: {
      readonly store: LogStore;
      readonly key: NoteKey;
      /** The key that came before, by which the last checkpoint of a file may be. */
      readonly formerKey?: NoteKey | undefined;
      readonly log: Log;
      readonly resolve?: HostResolver;
    },
  ) {
    this.proofs = new LogProofs(deps.store);
  }

  /**
   * Checks that the log still begins with what the witness has, where that can be read.
   * @throws Fault `log_damaged` where it doesn't, or where what it has is by another key
   */
  async requireGrowth(): Promise<void> {
    const { witness } = this;
    if (!('file' in witness)) return;
    // Read before the log: another replica may send to the same file meanwhile.
    const { text, isWhole } = await readTail(witness.file);
    const notes = listKeptNotes(text);
    if (notes.length === 0 && isWhole) return;
    await this.proofs
      .requireGrowth(this.openGreatest(notes, witness.file), await this.deps.store.readState())
      .catch((error: unknown) => {
        if (!(error instanceof Fault) || error.code !== 'log_damaged') throw error;
        throw new Fault('log_damaged', `by the checkpoint kept in ${witness.file}, ${error.detail ?? ''}`);
      });
  }

  /** Sends the newest checkpoint, unless it was sent. @throws Fault where the log doesn't begin with what the witness has */
  async send(): Promise<void> {
    const { checkpoint } = await this.deps.store.readState();
    if (checkpoint === undefined || checkpoint === this.sent) return;
    await this.requireGrowth();
    try {
      if ('file' in this.witness) await this.append(this.witness.file, checkpoint);
      else await this.post(this.witness, checkpoint);
    } catch (error) {
      this.tellState(describeCause(error));
      return;
    }
    this.tellState(undefined);
    this.sent = checkpoint;
  }

  start(): RepeatedWork {
    const { wake, stop } = repeat(() => this.send(), {
      pauseMs: WITNESS_PAUSE_MS,
      onFailing: (error) => {
        const detail = error instanceof Fault ? (error.detail ?? '') : '';
        this.deps.log(`No checkpoint is sent to the witness ${this.name}: ${error.message} ${detail}`, {
          event: 'witness_refuses',
        });
      },
    });
    return {
      wake,
      stop: () => {
        this.stopping.abort();
        return stop();
      },
    };
  }

  private get name(): string {
    return 'file' in this.witness ? this.witness.file : new URL(this.witness.url).host;
  }

  /**
   * The log that the checkpoints tell at its greatest, and of several of one size the first. Checkpoints are public: an old one that
   * is copied to the end, or anything else that is written there, doesn't hide those before it.
   * @throws Fault where the last isn't of this log
   */
  private openGreatest(notes: readonly string[], file: string): TreeHead {
    const { key, formerKey } = this.deps;
    const keys = formerKey === undefined ? [key] : [key, formerKey];
    const last = openOrRefusal(() => openCheckpointByAny(notes.at(-1) ?? '', keys));
    if (last instanceof NoteRefused)
      throw new Fault('log_damaged', `the last checkpoint in ${file} is not of this log: ${last.message}`);
    const asGreat = notes.filter((note) => readNotedSize(note) >= last.size);
    // Most are the last one alone. Those by keys of before can't be opened any more.
    for (const note of asGreat.sort((a, b) => readNotedSize(b) - readNotedSize(a))) {
      const head = openOrRefusal(() => openCheckpointByAny(note, keys));
      if (!(head instanceof NoteRefused)) return head;
    }
    return last;
  }

  private async append(file: string, checkpoint: string): Promise<void> {
    const { text } = await readTail(file);
    // Several replicas may have one file.
    if (listKeptNotes(text).at(-1) === checkpoint) return;
    // What a process that was killed has left unfinished stays apart.
    const gap = text === '' || text.endsWith('\n\n') ? '' : '\n\n';
    await appendFile(file, `${gap}${checkpoint}\n`, { mode: 0o644, flush: true });
  }

  private async post({ url, network }: { url: string; network: Network }, checkpoint: string): Promise<void> {
    const { resolve } = this.deps;
    const response = await openOutbound(url, {
      method: 'POST',
      headers: {
        'content-type': 'text/plain; charset=utf-8',
        'content-length': String(Buffer.byteLength(checkpoint)),
        'user-agent': `Remit/${VERSION}`,
      },
      body: checkpoint,
      signal: AbortSignal.any([AbortSignal.timeout(POST_TIMEOUT_MS), this.stopping.signal]),
      network,
      literals: 'checked',
      ...(resolve === undefined ? {} : { resolve }),
    });
    // Only the status counts, so nothing is read of the answer.
    response.destroy();
    const { statusCode: status = 0 } = response;
    if (status < 200 || status > 299) throw new Error(`it answers ${status}`);
  }

  /** Logs that a witness has begun to fail, and that it no longer does. */
  private tellState(failure: string | undefined): void {
    if (this.isFailing === (failure !== undefined) || this.stopping.signal.aborted) return;
    this.isFailing = failure !== undefined;
    if (failure === undefined)
      this.deps.log(`The witness ${this.name} takes checkpoints again.`, { event: 'witness_recovered' });
    else
      this.deps.log(`A checkpoint could not be sent to the witness ${this.name} (${failure}). It is tried again.`, {
        event: 'witness_failing',
      });
  }
}

function describeCause(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}

/** The size that a checkpoint tells: unchecked, it only says which ones are to be opened. */
function readNotedSize(note: string): number {
  return Number(note.split('\n', 2)[1]);
}

/** @returns an empty text where there is no file; whether it is all of the file */
async function readTail(file: string): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      const start = Math.max(0, size - TAIL_BYTES);
      const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(size - start), position: start });
      return { text: buffer.subarray(0, bytesRead).toString(), isWhole: start === 0 };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { text: '', isWhole: true };
    throw new Fault('log_damaged', `what the witness has can not be read: ${describeCause(error)}`);
  }
}
