/**
 * Finds what a question states and nothing can read. It decides nothing, and AuthZEN lets clients send what a decision
 * point doesn't know; but a slip in the name of what a forbid reads would take the forbid its fact in silence, so the
 * answer and the record name it.
 */
import { suggestNearest } from '../diagnostics/suggest.js';
import type { IgnoredMember, IgnoredMembers } from '../model/decision.js';
import { REMIT_CONTEXT_MEMBERS, type Properties } from '../model/question.js';
import { collectUndeclaredMembers } from '../policy/undeclared-members.js';
import { listMemberNames } from '../runtime/memoize.js';
import { redact } from '../telemetry/log.js';
import { mayAssertAttributes, mayStateResource } from './ask-cedar.js';
import type { BoundQuestion } from './bound-question.js';
import type { Evaluation } from './evaluation.js';
import {
  collectDeclarations,
  listReadableNames,
  type PartDeclarations,
  type StatingPart,
} from './stated-declarations.js';

/** The members that are named; the others are counted. */
export const MAX_NAMED_MEMBERS = 8;
/** The longest path of a member, in UTF-16 code units: the names are the caller's. */
export const MAX_PATH_LENGTH = 100;
/** The part of a longer path that is read for secrets; far less of it is shown. */
const MAX_READ_LENGTH = 400;
/** Longer names are no slips of what schemas declare, and comparing them would take long. */
const MAX_COMPARED_LENGTH = 64;

const PART_PATHS: Readonly<Record<StatingPart, string>> = {
  subject: 'subject.properties',
  action: 'action.properties',
  resource: 'resource.properties',
  context: 'context',
};

/** @returns undefined where all is read, and where the decision ended before anything could be */
export function findIgnoredMembers({ unbound, bound, facts }: Evaluation): IgnoredMembers | undefined {
  if (bound === undefined) return undefined;
  // What the request says, and not what is left of it where an agent asks for itself.
  const { question } = unbound;
  const stated: Readonly<Record<StatingPart, Properties>> = {
    subject: question.subject.properties,
    action: question.action.properties,
    resource: question.resource.properties,
    context: question.context,
  };
  const parts = (Object.keys(PART_PATHS) as StatingPart[]).filter((part) => listMemberNames(stated[part]).length > 0);
  if (parts.length === 0) return undefined;
  const declarations = collectDeclarations({ unbound, bound, ...(facts === undefined ? {} : { facts }) });
  const members: IgnoredMember[] = [];
  let count = 0;
  for (const part of parts) {
    const ignored = findIgnoredStatements(part, stated[part], declarations[part], mayState(part, bound));
    count += ignored.count;
    members.push(...ignored.first.slice(0, MAX_NAMED_MEMBERS - members.length).map(describeStatement));
  }
  return count === 0 ? undefined : { count, members };
}

/** Whether policies are given what the caller states in this part. */
function mayState(part: StatingPart, bound: BoundQuestion): boolean {
  switch (part) {
    case 'subject':
      return mayAssertAttributes(bound.question);
    case 'resource':
      return mayStateResource(bound);
    case 'action':
    case 'context':
      return true;
  }
}

interface IgnoredStatement extends Pick<IgnoredMember, 'cause'> {
  readonly path: string;
  readonly name: string;
  /** The names that may have been meant. */
  readonly names: readonly string[];
}

function findIgnoredStatements(
  part: StatingPart,
  stated: Properties,
  declarations: PartDeclarations,
  isTaken: boolean,
): { readonly count: number; readonly first: readonly IgnoredStatement[] } {
  const partPath = PART_PATHS[part];
  const others = new Set(listOtherNames(part, declarations));
  const readable = listReadableNames(declarations);
  const names = [...readable, ...others, ...(part === 'context' ? REMIT_CONTEXT_MEMBERS : [])];
  const undeclared = collectUndeclaredMembers(declarations.types, stated, partPath, {
    limit: MAX_NAMED_MEMBERS,
    except: others,
  });
  const notAsserted = isTaken ? [] : [...readable].filter((name) => !others.has(name) && Object.hasOwn(stated, name));
  return {
    count: undeclared.count + notAsserted.length,
    first: [
      ...undeclared.first.map((member): IgnoredStatement => {
        const isWhole = member.path.length === partPath.length + 1 + member.name.length;
        return { ...member, cause: 'undeclared', ...(isWhole ? { names } : {}) };
      }),
      ...notAsserted.map((name): IgnoredStatement => ({
        path: `${partPath}.${name}`,
        name,
        names: [],
        cause: 'not_asserted',
      })),
    ],
  };
}

/** The names that something else than a policy reads there. */
function listOtherNames(part: StatingPart, { otherNames }: PartDeclarations): readonly string[] {
  switch (part) {
    // A token constrains nothing that is stated of the subject; `act` is the agent that a client vouches for.
    case 'subject':
      return ['act'];
    // A stated purpose is compared with the token's.
    case 'context':
      return [...otherNames, 'purpose'];
    case 'action':
    case 'resource':
      return otherNames;
  }
}

function describeStatement({ path, name, names, cause }: IgnoredStatement): IgnoredMember {
  const suggestion = name.length > MAX_COMPARED_LENGTH ? undefined : suggestNearest(name, names);
  return { path: describePath(path), cause, ...(suggestion === undefined ? {} : { suggestion }) };
}

/**
 * The path as it is answered and recorded: without secrets, which a slip may have made a name, and without characters that
 * can't be seen. It cuts no character in two: what isn't well-formed can't be stored.
 */
function describePath(path: string): string {
  const visible = redact(path.slice(0, MAX_READ_LENGTH)).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '�');
  return visible.length <= MAX_PATH_LENGTH && path.length <= MAX_READ_LENGTH
    ? visible
    : `${visible.slice(0, MAX_PATH_LENGTH - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
