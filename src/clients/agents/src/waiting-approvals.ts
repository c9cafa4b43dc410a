/** The calls that wait for an approval, each with the approval's id: they are resumed in a later request, perhaps elsewhere. */
import { createHash } from 'node:crypto';
import type { Entity } from 'remit-client';
import type { ToolArguments } from './tool-question.js';

/** The approval that a call waits for, or that is kept for the calls of a class. */
export interface WaitingApproval {
  readonly id: string;
  /** The digest of the call's arguments: the approval is for no others. */
  readonly digest: string;
  /** The instant after which people can't answer any more. */
  readonly expiresAt: string | undefined;
  /** Whether it was asked for a class of calls: then it is good for more than the one. */
  readonly isOfClass?: boolean;
}
/** Keeps which call waits for which approval. Processes that resume each other's runs need the same one. */
export interface ApprovalStore {
  get(key: string): WaitingApproval | undefined | Promise<WaitingApproval | undefined>;
  set(key: string, approval: WaitingApproval): unknown;
  delete(key: string): unknown;
}

const MAX_WAITING = 10_000;

/** Keeps them in this process; of too many the oldest is forgotten, and is asked about anew. */
export class MemoryApprovals implements ApprovalStore {
  private readonly waiting = new Map<string, WaitingApproval>();

  get(key: string): WaitingApproval | undefined {
    const approval = this.waiting.get(key);
    // An end that can't be read is none.
    return Date.parse(approval?.expiresAt ?? '') < Date.now() ? undefined : approval;
  }

  set(key: string, approval: WaitingApproval): void {
    setBounded(this.waiting, key, approval, MAX_WAITING);
  }

  delete(key: string): void {
    this.waiting.delete(key);
  }
}

/** Sets an entry, for which the oldest is dropped where there are too many. */
export function setBounded<K, V>(entries: Map<K, V>, key: K, value: V, most: number): void {
  const [oldest] = entries.keys();
  if (entries.size >= most && oldest !== undefined) entries.delete(oldest);
  entries.set(key, value);
}

/** The key of a subject's call: its id, or its arguments where the framework has no ids of calls. It tells nothing of them. */
export function toApprovalKey(
  { type, id }: Entity,
  call: { readonly tool: string; readonly callId: string | undefined; readonly args: ToolArguments },
): string {
  return digest([type, id, call.tool, call.callId === undefined ? [digestArguments(call.args)] : call.callId]);
}

/** The key of the class of a subject's calls of a tool that was approved last. */
export function toClassKey({ type, id }: Entity, tool: string): string {
  return digest(['class', type, id, tool]);
}

export function digestArguments(args: ToolArguments): string {
  return digest(sortNames(args));
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url');
}

/** An object becomes the list of its members in one order, in an object of its own: so no list is taken for it. */
function sortNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortNames);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return { members: members.map(([name, inner]) => [name, sortNames(inner)]) };
}
