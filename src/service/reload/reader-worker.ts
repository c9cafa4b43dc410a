/**
 * The thread that reads and checks what may become the rules: a file system that hangs, or a policy that takes long to
 * check, holds up no decision.
 */
import { serveWorkerCalls } from '../../runtime/worker-thread.js';
import { summarizeErrors } from '../../diagnostics/diagnostics.js';
import { hashSources } from '../../policy/load.js';
import type { PolicyCandidate } from './candidate.js';
import type { WatchedPaths, FilesSnapshot } from './snapshot.js';
import { SettledReader } from './settled-reader.js';

await serveWorkerCalls(({ paths, pollMs }: { paths: WatchedPaths; pollMs: number }) => {
  const settling = new SettledReader(paths, pollMs);
  return Promise.resolve({
    now: async (): Promise<PolicyCandidate> => checkCandidate(await settling.readSettled()),
    next: async (fingerprint: string): Promise<PolicyCandidate> =>
      checkCandidate(await settling.nextChange(fingerprint)),
  });
});

async function checkCandidate({ fingerprint, read }: FilesSnapshot): Promise<PolicyCandidate> {
  if ('refused' in read) return { fingerprint, findings: [], version: undefined, content: read };
  const { sources, world } = read;
  // It takes tens of MB, which a service whose rules don't change need not have.
  const { checkSources: examine } = await import('../../author/check/check.js');
  const { findings, rules } = examine(sources, world);
  const error = summarizeErrors(findings);
  return {
    fingerprint,
    findings,
    version: hashSources(sources),
    content:
      rules === undefined || error !== undefined
        ? { refused: error?.message ?? 'do not fit' }
        : { sources, policies: [...rules.policies.values()] },
  };
}
