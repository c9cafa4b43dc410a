/**
 * Statements that an agent which asks for itself makes beyond its question. The action and its properties are what it
 * wants to do; of the resource, of itself and of the circumstances its word proves nothing. The binding step denies a
 * statement that could decide something, rather than to decide as if it hadn't been made; the others it leaves out.
 * Caveats are answered without a context then, so what needs one is denied.
 */
import type { AuthorizationDetail } from '../model/acting.js';
import type { Properties, Question } from '../model/question.js';
import type { Rules } from '../policy/load.js';
import type { ActionOnResource } from '../policy/schema/action.js';

/**
 * The places of the statements that could decide something: `resource.properties.status`, `context.ip`. The Cedar schema
 * declares them, or the token constrains them.
 */
export function findUnprovenStatements(
  { subject, resource, context }: Question,
  target: ActionOnResource,
  rules: Rules,
  details: readonly AuthorizationDetail[] = [],
): string[] {
  const constrained = listConstrainedNames(details);
  const subjectTypes = rules.vocabulary.typesByObject.get(subject.type) ?? [];
  const { request } = target.action.context;
  const requestMembers = request?.type.kind === 'Record' ? Object.keys(request.type.members) : [];
  const listStated = (place: string, values: Properties, declared: readonly string[]): string[] =>
    Object.keys(values)
      .filter((name) => declared.includes(name) || constrained.includes(name))
      .map((name) => `${place}.${name}`);
  return [
    ...listStated(
      'subject.properties',
      subject.properties,
      subjectTypes.flatMap(({ attributes }) => Object.keys(attributes)),
    ),
    ...listStated('resource.properties', resource.properties, Object.keys(target.resourceType.attributes)),
    ...listStated('context', context, requestMembers),
  ];
}

/** The agent's question without its statements. Its purpose stays: it can only contradict that of the token. */
export function omitStatements<Stated extends Pick<Question, 'subject' | 'resource' | 'context'>>(
  question: Stated,
): Stated {
  const { subject, resource, context } = question;
  return {
    ...question,
    subject: { ...subject, properties: {} },
    resource: { ...resource, properties: {} },
    context: Object.hasOwn(context, 'purpose') ? { purpose: context['purpose'] } : {},
  };
}

/** The names of attributes that the token constrains: a constraint is of `amount` or of `action.amount`. */
export function listConstrainedNames(details: readonly Pick<AuthorizationDetail, 'constraints'>[]): string[] {
  const names = details.flatMap(({ constraints = {} }) => Object.keys(constraints));
  return names.flatMap((name) => [name, name.slice(name.indexOf('.') + 1)]);
}
