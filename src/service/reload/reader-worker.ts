/**
 * The thread that reads and checks what may become the rules: a file system that hangs, or a policy that takes long to
 * check, holds up no decision.
 */
import { serve } from '../../runtime/worker-thread.js';
import { isError, sentence } from '../../diagnostics/diagnostics.js';
import { versionOf } from '../../policy/load.js';
import type { Candidate } from './candidate.js';
import type { LivePaths, Snapshot } from './snapshot.js';
import { Settling } from './settling.js';

await serve(({ paths, pollMs }: { paths: LivePaths; pollMs: number }) => {
  const settling = new Settling(paths, pollMs);
  return Promise.resolve({
    now: async (): Promise<Candidate> => candidateOf(await settling.settled()),
    next: async (known: string): Promise<Candidate> => candidateOf(await settling.next(known)),
  });
});

async function candidateOf({ fingerprint, read }: Snapshot): Promise<Candidate> {
  if ('refused' in read) return { fingerprint, findings: [], version: undefined, fitting: read };
  const { sources, world } = read;
  // It takes tens of MB, which a service whose rules don't change need not have.
  const { examine } = await import('../../author/check/check.js');
  const { findings, rules } = examine(sources, world);
  const errors = findings.filter(isError);
  const [first] = errors;
  const more = errors.length > 1 ? ` [and ${errors.length - 1} more: remit check]` : '';
  return {
    fingerprint,
    findings,
    version: versionOf(sources),
    fitting:
      rules === undefined || first !== undefined
        ? { refused: first === undefined ? 'do not fit' : `${first.file}:${first.line}: ${sentence(first)}${more}` }
        : { sources, policies: [...rules.policies.values()] },
  };
}
