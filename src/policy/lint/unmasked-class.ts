/** Finds classes of attributes that no duty hides or mentions. */
import { uniteDuties, type Duty } from '../duties.js';
import { findMaskMode, isSameOrNestedField } from '../duty-fields.js';
import type { EntityType } from '../schema/action.js';
import { namespaceOf } from '../schema/uid.js';
import { applicableTypes, type Lint, type LintInput } from './lint.js';

export const unmaskedClass: Lint = {
  rule: 'unmasked-class',
  title: 'A `@class` that no duty hides or mentions',
  why: 'Attributes are classed so that they can be hidden, and nothing hides these.',
  cure: 'Write a `@duty("mask:<class>")`, or `visible_fields` of what may be shown; or drop the class.',
  run: (input) => {
    const resources = new Set(input.rules.vocabulary.actions.flatMap((action) => action.resourceTypes));
    return [...resources].flatMap((resource) => {
      const dutyLists = listDuties(input, resource);
      return [...resource.classes]
        .filter(([className, paths]) => !dutyLists.some((duties) => regardsClass(duties, className, paths, resource)))
        .map(([className, [path]]) => {
          const { name } = resource;
          return {
            location: input.locateDeclaration('entity', namespaceOf(name), name.split('::').at(-1) ?? name, path),
            message: `no duty masks @class("${className}") of "${name}", or shows what else is visible`,
          };
        });
    });
  },
};

/** The duties of each policy whose scope can match a question about such a resource. */
function listDuties({ rules: { vocabulary, policies } }: LintInput, resource: EntityType): (readonly Duty[])[] {
  return [...policies.values()].flatMap((policy) => {
    const applies = vocabulary.actions.some((action) =>
      applicableTypes(policy, action).some(([, type]) => type === resource),
    );
    return policy.duties === undefined || !applies ? [] : [policy.duties];
  });
}

/** Whether the duties name the class, an attribute of it, a part of one or what one is a part of, or hide one by showing others. */
function regardsClass(
  duties: readonly Duty[],
  className: string,
  paths: readonly string[],
  resource: EntityType,
): boolean {
  const isNamed = duties.some(({ argument }) => {
    const [target = ''] = argument.split('=');
    return (
      target === className ||
      paths.some((path) => isSameOrNestedField(path, target) || isSameOrNestedField(target, path))
    );
  });
  const obligations = uniteDuties([duties], resource);
  return isNamed || paths.some((path) => findMaskMode(obligations, path) !== undefined);
}
