/**
 * The reader thread: it reads and checks policy files, so that a file system that hangs or a policy that takes long to
 * check holds up no decision. `reader.ts` starts it.
 */
import { serveWorkerCalls } from '../../runtime/worker-thread.js';
import { isError, summarizeErrors, type Finding } from '../../diagnostics/diagnostics.js';
import { ConfigError } from '../../model/faults.js';
import { hashSources, type Rules } from '../../policy/load.js';
import type { TestDemand } from '../../config/reload.js';
import type { PolicyCandidate } from './candidate.js';
import { listSuites, type WatchedPaths, type FilesSnapshot } from './snapshot.js';
import { SettledReader } from './settled-reader.js';

export interface ReaderOptions {
  readonly paths: WatchedPaths;
  readonly pollMs: number;
  readonly tests: TestDemand;
}

await serveWorkerCalls(({ paths, pollMs, tests }: ReaderOptions) => {
  const settling = new SettledReader(paths, pollMs);
  return Promise.resolve({
    now: async (): Promise<PolicyCandidate> => checkCandidate(await settling.readSignalled(), paths, tests),
    next: async (fingerprint: string): Promise<PolicyCandidate> =>
      checkCandidate(await settling.nextChange(fingerprint), paths, tests),
  });
});

async function checkCandidate(
  { readAt, fingerprint, files, read }: FilesSnapshot,
  paths: WatchedPaths,
  tests: TestDemand,
): Promise<PolicyCandidate> {
  if ('refused' in read)
    return { readAt, fingerprint, files, findings: [], version: undefined, suites: [], content: read };
  const { sources, world } = read;
  const suites = tests === 'required' ? listSuites(read) : [];
  const common = { readAt, fingerprint, files, version: hashSources(sources), suites };
  // Loaded on demand: it takes tens of MB, which a service whose files never change does not need.
  const { checkSources: examine } = await import('../../author/check/check.js');
  const { findings: sourceFindings, rules } = examine(sources, world, paths.approverRules);
  if (rules === undefined || sourceFindings.some(isError)) {
    const refused = summarizeErrors(sourceFindings)?.message ?? 'do not fit';
    return { ...common, findings: sourceFindings, content: { refused } };
  }
  try {
    const findings = [...sourceFindings, ...(suites.length === 0 ? [] : await runCandidateTests(paths, rules))];
    const error = summarizeErrors(findings);
    const content =
      error === undefined ? { sources, policies: [...rules.policies.values()] } : { refused: error.message };
    return { ...common, findings, content };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { ...common, findings: sourceFindings, content: { refused: error.message } };
  }
}

async function runCandidateTests(paths: WatchedPaths, rules: Rules): Promise<readonly Finding[]> {
  const { runTests } = await import('../../author/check/run-tests.js');
  return (await runTests(paths, rules)).findings;
}
