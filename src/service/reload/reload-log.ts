/** Tells the operator what became of changed files: which policies were taken or refused, and what they gave up. */
import { formatProblem, isError, type Finding } from '../../diagnostics/diagnostics.js';
import type { Rules } from '../../policy/load.js';
import type { Log } from '../../telemetry/log.js';

/** The most parts that are named in one line. */
const MAX_NAMED_PARTS = 10;
/** The most warnings that are logged for one reload. */
const MAX_LOGGED_WARNINGS = 5;

export class ReloadLog {
  constructor(private readonly log: Log) {}

  /** Logs a line about the configuration. */
  logConfig(line: string): void {
    this.log(line, { event: 'reload' });
  }

  /** @param findings those of the check, of which the warnings are logged */
  logTaken({ policies, sources, version }: Rules, findings: readonly Finding[], relaxations: readonly string[]): void {
    const count = `${policies.size} policies in ${sources.policies.length} files`;
    this.log(`policies taken: version ${version}, ${count}`, { event: 'policies_taken', policy_version: version });
    if (relaxations.length > 0) this.warn(`given up at the operator's signal: ${joinNamed(relaxations)}`, version);
    const warnings = findings.filter((finding) => !isError(finding));
    for (const warning of warnings.slice(0, MAX_LOGGED_WARNINGS))
      this.warn(`${warning.file}:${warning.line}: ${formatProblem(warning)}`, version);
    if (warnings.length > MAX_LOGGED_WARNINGS)
      this.warn(`and ${warnings.length - MAX_LOGGED_WARNINGS} more: remit check`, version);
  }

  /** Logs what of the store the policies don't fit. */
  logUnfitEntities(lines: readonly string[], version: string): void {
    for (const line of lines) this.log(line, { event: 'entities_unfit', policy_version: version });
  }

  /** Logs that refused files were taken back. */
  logConfirmed(version: string): void {
    this.log(`policies are as they are in force again: version ${version}`, {
      event: 'policies_taken',
      policy_version: version,
    });
  }

  /** @param version the one that stays in force */
  logRefused(version: string, reason: string): void {
    this.log(`policies not taken, those of version ${version} stay in force: ${reason}`, {
      event: 'policies_refused',
      policy_version: version,
    });
  }

  private warn(line: string, version: string): void {
    this.log(line, { event: 'policies_warning', policy_version: version });
  }
}

/** Joins what a candidate gives up or lacks, in the length of a line. */
export function joinNamed(parts: readonly string[]): string {
  const others = parts.length - MAX_NAMED_PARTS;
  return `${parts.slice(0, MAX_NAMED_PARTS).join('; ')}${others > 0 ? `; and ${others} more` : ''}`;
}
