/** Records as CloudEvents 1.0 in JSON: `dev.remit.decision.v1`, `dev.remit.outcome.v1` and so on. */
import type { ExportedRecord, ExportOrigin } from './exported-record.js';
import { readNamedMember, toShownMembers, type ShownMembers } from './shown-record.js';

export interface CloudEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** The thing that the question was about, as `type:id`. */
  readonly subject?: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  /** The place in the log, as the extension `sequence` has it: a text that sorts as the number does. */
  readonly sequence: string;
  readonly data: object;
}

/** The digits of the greatest index that a log can have. */
const SEQUENCE_DIGITS = 16;

export function toCloudEvent({ index, leafHash, record }: ExportedRecord, { log, source }: ExportOrigin): CloudEvent {
  const shown = toShownMembers(record);
  const subject = describeSubject(shown);
  return {
    specversion: '1.0',
    id: record.id,
    source,
    type: `dev.remit.${record.kind}.v1`,
    ...(subject === undefined ? {} : { subject }),
    time: record.at,
    datacontenttype: 'application/json',
    sequence: String(index).padStart(SEQUENCE_DIGITS, '0'),
    data: {
      log: { origin: log, index, leaf_hash: leafHash },
      ...(record.about === undefined ? {} : { about: record.about }),
      record: shown,
    },
  };
}

function describeSubject({ request }: ShownMembers): string | undefined {
  const resource = readNamedMember(request, 'resource');
  const [type, id] = [readNamedMember(resource, 'type'), readNamedMember(resource, 'id')];
  return typeof type === 'string' && typeof id === 'string' ? `${type}:${id}` : undefined;
}
