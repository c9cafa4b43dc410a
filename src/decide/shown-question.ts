/**
 * The question as people are shown it who are asked to approve it: what is bound of it, and nothing else that its caller writes.
 * What they can't read they aren't asked.
 */
import type { Properties } from '../model/question.js';
import { formatCanonicalJson, omitNullMembers } from '../runtime/canonical-json.js';
import type { ApprovedQuestion } from '../store/stored-task.js';
import type { SubmittedQuestion } from './submitted-question.js';

/** The longest question that people are shown, as canonical JSON: longer ones can't be read. */
export const MAX_SHOWN_BYTES = 16 * 1024;

/**
 * @param contextNames the members of the context that are bound
 * @returns undefined where it is too long for people to read
 */
export function describeShownQuestion(
  { subject, action, resource, context }: SubmittedQuestion,
  contextNames: Iterable<string>,
): ApprovedQuestion | undefined {
  // Without the members that are null: however a question is written, it is shown, and measured, as the same.
  const shown = omitNullMembers({
    subject: { type: subject.type, id: subject.id },
    action: { name: action.name, properties: action.properties },
    resource: { type: resource.type, id: resource.id, properties: resource.properties },
    context: selectMembers(context, contextNames),
  });
  return Buffer.byteLength(formatCanonicalJson(shown)) > MAX_SHOWN_BYTES ? undefined : (shown as ApprovedQuestion);
}

function selectMembers(context: Properties, names: Iterable<string>): Properties {
  const stated = [...new Set(names)].filter((name) => Object.hasOwn(context, name));
  return Object.fromEntries(stated.map((name) => [name, context[name]]));
}
