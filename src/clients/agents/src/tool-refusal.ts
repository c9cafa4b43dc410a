/** The result of a tool that was not run, which the model reads: a text for people, and nothing of policies or addresses. */
import { reportSetup, RemitSetupError, RemitUnavailable, type Evaluation } from 'remit-client';
import type { ToolGuardOptions } from './guard-options.js';
import { BadArguments } from './tool-question.js';

export type RefusalCode =
  | 'denied'
  | 'consent_required'
  | 'approval_required'
  | 'rejected'
  | 'changed'
  | 'unavailable'
  | 'bad_arguments'
  | 'not_shown'
  | 'unknown_tool'
  | 'unbound'
  | 'misconfigured';
export interface ToolRefusal {
  readonly refused: true;
  readonly code: RefusalCode;
  readonly message: string;
  /** Names the decision, for those who look into it. */
  readonly decision?: string;
}

const MESSAGES: Readonly<Record<RefusalCode, string>> = {
  denied: 'This is not allowed.',
  consent_required: 'This needs the consent of the user. It can be tried again once that is given.',
  approval_required: 'This needs an approval that has not been given. It can be tried again once it has.',
  rejected: 'This was not approved.',
  changed: 'The arguments are others than those that an approval was asked for.',
  unavailable: 'It can not be decided now whether this is allowed.',
  bad_arguments: 'The arguments name something that can not exist.',
  not_shown: 'The result can not be shown.',
  unknown_tool: 'There is no such tool.',
  unbound: 'It is not known for whom this would be done.',
  misconfigured: 'The tool is wrongly set up.',
};

export function refuseTool(code: RefusalCode, { id, message }: Partial<Evaluation> = {}): ToolRefusal {
  return {
    refused: true,
    code,
    message: code === 'denied' ? (message ?? MESSAGES.denied) : MESSAGES[code],
    ...(id === undefined ? {} : { decision: id }),
  };
}

/** Refuses a call that could not be asked about. The model isn't told what is wrongly set up, so the operator is. */
export function refuseFailedCall(
  tool: string,
  error: unknown,
  options: Pick<ToolGuardOptions, 'onError'>,
): ToolRefusal {
  const refusal = toToolRefusal(error);
  if (refusal.code === 'misconfigured') reportToolSetup(tool, error, options);
  else options.onError?.(error);
  return refusal;
}

/** Tells the operator that a tool is wrongly set up. Its name may be a model's own, so it is quoted and cut. */
export function reportToolSetup(tool: string, error: unknown, { onError }: Pick<ToolGuardOptions, 'onError'>): void {
  reportSetup(`the tool ${JSON.stringify(tool.slice(0, 64))}`, error, onError);
}

function toToolRefusal(error: unknown): ToolRefusal {
  if (error instanceof RemitUnavailable) return refuseTool('unavailable');
  if (error instanceof BadArguments) return refuseTool('bad_arguments');
  // An id with a line break, or an argument of a type that the action doesn't have.
  if (error instanceof RemitSetupError && error.code === 'question' && /^(?:resource|action)\b/.test(error.at ?? ''))
    return refuseTool('bad_arguments');
  return refuseTool('misconfigured');
}

/** Recognizes a refusal, also one that was written to JSON and read again. */
export function isToolRefusal(value: unknown): value is ToolRefusal {
  if (typeof value !== 'object' || value === null) return false;
  const { refused, code } = value as Partial<ToolRefusal>;
  return refused === true && typeof code === 'string' && Object.hasOwn(MESSAGES, code);
}
