/** The question that a call of a tool asks: the action and the resource that its author names, with all arguments. */
import type { Properties, Question } from 'remit-client';
import { isStated, toContext, type RequestBinding } from './request-binding.js';

/** The arguments of a call, as JSON has them. */
export type ToolArguments = Readonly<Record<string, unknown>>;
export interface ToolQuestion {
  /** The action's name. Its properties are the arguments, all of them. */
  readonly action: string;
  readonly resource: {
    readonly type: string;
    /** The id, or the function that finds it in the arguments. */
    readonly id: string | ((args: ToolArguments) => unknown);
  };
}
/** The questions by the tools' names; or a function, for tools that aren't known beforehand: one without a question isn't shown. */
export type ToolQuestions = Readonly<Record<string, ToolQuestion>> | ((tool: string) => ToolQuestion | undefined);

export class BadArguments extends Error {
  override readonly name = 'BadArguments';
}

/** @returns undefined where the function has none. @throws TypeError where the table has none, or it is no question */
export function findToolQuestion(questions: ToolQuestions, tool: string): ToolQuestion | undefined {
  if (typeof questions !== 'function' && !Object.hasOwn(questions, tool))
    throw new TypeError(`remit: the tool ${tool} has no question`);
  const question = typeof questions === 'function' ? questions(tool) : questions[tool];
  if (typeof questions === 'function' && question === undefined) return undefined;
  const { action, resource } = (question ?? {}) as { readonly action?: unknown; readonly resource?: Properties };
  const { type, id } = resource ?? {};
  if (!isStated(action) || !isStated(type) || !(isStated(id) || typeof id === 'function'))
    throw new TypeError(`remit: the question of the tool ${tool} has an action, and a resource with type and id`);
  return question;
}

/** @throws BadArguments where they name no resource */
export function buildToolQuestion(
  { action, resource: { type, id } }: ToolQuestion,
  args: ToolArguments,
  binding: RequestBinding,
  approval: string | undefined,
): Question {
  const resourceId = typeof id === 'function' ? id(args) : id;
  if (!isStated(resourceId)) throw new BadArguments('the arguments name no resource');
  return {
    subject: binding.subject,
    action: { name: action, properties: args },
    resource: { type, id: resourceId },
    context: { ...toContext(binding), ...(approval === undefined ? {} : { approval: { id: approval } }) },
  };
}

/**
 * A copy of the arguments, which is what is asked about.
 * @throws BadArguments where JSON would lose something of them: the tool would get what was not asked about
 */
export function copyArguments(args: unknown): ToolArguments {
  const copy: unknown = toPlainValue(args ?? {}, 0);
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy))
    throw new BadArguments('the arguments are no object');
  return copy as ToolArguments;
}

/** Stands for arguments that can't be copied, and is refused as they are. */
const UNREADABLE = Symbol('arguments that JSON has not');

/** Copies arguments for the question and the call alike, so that what is asked about can't change until it is run. */
export function cloneArguments(args: unknown): unknown {
  try {
    copyArguments(args);
    return structuredClone(args);
  } catch {
    return UNREADABLE;
  }
}

const MAX_ARGUMENT_DEPTH = 32;

function toPlainValue(value: unknown, depth: number): unknown {
  if (depth > MAX_ARGUMENT_DEPTH) throw new BadArguments('the arguments are nested too deeply');
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  if (Array.isArray(value)) return value.map((element: unknown) => toPlainValue(element, depth + 1));
  if (typeof value === 'object' && isPlainObject(value)) {
    const members = Object.entries(value).filter(([, inner]) => inner !== undefined);
    return Object.fromEntries(members.map(([name, inner]) => [name, toPlainValue(inner, depth + 1)]));
  }
  throw new BadArguments('the arguments are none that JSON has');
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === null || prototype === Object.prototype) && !('toJSON' in value);
}
