/** Finds classes of attributes that no duty mentions. */
import { namespaceOf } from '../schema/uid.js';
import type { Lint } from './lint.js';

export const unmaskedClass: Lint = {
  rule: 'unmasked-class',
  title: 'A `@class` that no duty mentions',
  why: 'Attributes are classed so that they can be hidden, and nothing hides these.',
  cure: 'Write a `@duty("mask:<class>")`, or drop the class.',
  run: ({ rules: { vocabulary, policies }, locateDeclaration }) => {
    const duties = [...policies.values()].flatMap((policy) => policy.duties ?? []);
    const mentioned = new Set(duties.map(({ argument }) => argument.split('=')[0]));
    const resources = new Set(vocabulary.actions.flatMap((action) => action.resourceTypes));
    return [...resources].flatMap(({ name, classes }) =>
      [...classes]
        .filter(([className, paths]) => !mentioned.has(className) && !paths.some((path) => mentioned.has(path)))
        .map(([className, [path]]) => ({
          location: locateDeclaration('entity', namespaceOf(name), name.split('::').at(-1) ?? name, path),
          message: `no duty masks @class("${className}") of "${name}", or shows what else is visible`,
        })),
    );
  },
};
