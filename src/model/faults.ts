/**
 * Faults: what an engine throws when it can't answer. A fault becomes an `unknown` in a decision and 503 over HTTP;
 * it never allows. A denial is a value and not a fault; a bug is neither and stays loud.
 */

/** The closed list of faults, with the sentence for operators. */
export const FAULTS = {
  relationships_unavailable: 'SpiceDB could not answer.',
  revision_expired: 'SpiceDB no longer keeps the revision that was asked for.',
  write_unconfirmed: 'The write was not confirmed: whether it was made is not known. Read it, or write it again.',
  schema_differs: "SpiceDB's schema is not the one that the rules were read with.",
  database_unavailable: 'The database could not answer.',
  policies_unavailable: 'Cedar could not answer.',
  keys_unavailable: "The issuer's keys could not be fetched.",
  deadline_exceeded: 'The decision took longer than its deadline.',
  log_damaged: 'The audit log is not what was stored or signed of it, so nothing is added to it.',
  overloaded: 'Too much is in flight already.',
} as const;

export type FaultCode = keyof typeof FAULTS;

/** Thrown by engines and stores only. `detail` is for the log, never for an answer. */
export class Fault extends Error {
  override readonly name = 'Fault';
  constructor(
    readonly code: FaultCode,
    readonly detail?: string,
    options?: ErrorOptions,
  ) {
    super(FAULTS[code], options);
  }
}

/** A request that can't be served as it is: becomes a 4xx that names the place. */
export class BadRequest extends Error {
  override readonly name = 'BadRequest';
  constructor(
    message: string,
    /** The place in the request, a path such as `evaluations[3].subject.id`; empty for the request as a whole. */
    readonly at = '',
    readonly status = 400,
    readonly code = 'bad_request',
  ) {
    super(message);
  }
}

/** The place of an error in what the operator wrote. */
export interface ConfigPlace {
  /** The path as messages name it. */
  readonly file: string;
  /** The key of a configuration: `issuers[0].jwks_uri`. */
  readonly key?: string | undefined;
  /** 1-based, as the column. */
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

/** An error in what the operator wrote (configuration, schema, policy, world); it names file and line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** A file, a variable or another name as data; undefined where there is none. */
  readonly place: ConfigPlace | undefined;

  /** @param problem the message without its place */
  constructor(
    readonly problem: string,
    place?: string | ConfigPlace,
  ) {
    const at = typeof place === 'string' ? { file: place } : place;
    super(at === undefined ? problem : `${formatPlace(at)}: ${problem}`);
    this.place = at;
  }
}

/** `policies/hr.cedar:31`, `remit.yaml: issuers[0].jwks_uri`. */
function formatPlace({ file, key, line, column }: ConfigPlace): string {
  const position = [line, column].flatMap((number) => (number === undefined ? [] : `:${number}`)).join('');
  return `${file}${position}${key === undefined ? '' : `: ${key}`}`;
}
