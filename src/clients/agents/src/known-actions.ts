/** Tells an action that the service doesn't know from one that the agent may do on nothing: the first is a slip of the tool's author. */
import { RemitDenied, RemitSetupError, type Reason } from 'remit-client';
import type { ToolClient, ToolGuardOptions } from './guard-options.js';
import { toContext, type RequestBinding } from './request-binding.js';
import type { ToolQuestion } from './tool-question.js';
import { setBounded } from './waiting-approvals.js';

const MAX_KNOWN = 1_000;
/** The actions that each client's service has known, by action and type: they are looked up once. */
const knownActions = new WeakMap<ToolClient, Map<string, true>>();

/**
 * Looks up the actions of tools that the agent isn't shown. A client that can't search knows none of them.
 * @throws RemitSetupError that names the tool whose action the service doesn't know
 */
export async function requireKnownActions(
  tools: readonly (readonly [string, ToolQuestion])[],
  binding: RequestBinding,
  client: ToolClient,
  onError: ToolGuardOptions['onError'],
): Promise<void> {
  const { search } = client;
  if (search === undefined) return;
  const known = knownActions.get(client) ?? new Map<string, true>();
  knownActions.set(client, known);
  for (const [tool, question] of tools) {
    const key = JSON.stringify([question.action, question.resource.type]);
    if (known.has(key)) continue;
    try {
      requireKnownAction(tool, question, await searchOnce(question, binding, search));
      setBounded(known, key, true, MAX_KNOWN);
    } catch (error) {
      if (error instanceof RemitSetupError && error.code === 'action') throw error;
      // The tool is hidden as it was: it only isn't known why.
      onError?.(error);
    }
  }
}

/** @throws RemitSetupError where a reason is that the service doesn't know the action of the tool */
export function requireKnownAction(tool: string, { action, resource }: ToolQuestion, reasons: readonly Reason[]): void {
  const unknown = reasons.find(({ code }) => code === 'action_unknown');
  if (unknown === undefined) return;
  const [suggestion = ''] = / \(did you mean "[\w.:/-]{1,64}"\?\)/.exec(unknown.message ?? '') ?? [];
  throw new RemitSetupError('action', {
    detail: `the tool ${tool} asks for "${action}" on "${resource.type}"${suggestion}`,
  });
}

/** A search carries out no obligation, and says what is wrong with its question. */
async function searchOnce(
  { action, resource: { type } }: ToolQuestion,
  binding: RequestBinding,
  search: NonNullable<ToolClient['search']>,
): Promise<readonly Reason[]> {
  const { subject } = binding;
  const context = toContext(binding);
  try {
    await search.resources({ subject, action, resource: { type }, context, pageSize: 1 }).next();
    return [];
  } catch (error) {
    if (error instanceof RemitDenied) return error.reasons;
    throw error;
  }
}
