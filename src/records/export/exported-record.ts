/** The input of the exports: a record with its place in the log. */
import type { LoggedRecord } from '../../audit/leaf.js';

export interface ExportedRecord {
  readonly index: number;
  /** The hash of its leaf, in base64. */
  readonly leafHash: string;
  readonly record: LoggedRecord;
}

/** The place that the records are from. */
export interface ExportOrigin {
  /** The name of the log. */
  readonly log: string;
  /** The URL at which the deployment is reached; the log's name where none is configured. */
  readonly source: string;
}
