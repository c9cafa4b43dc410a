/**
 * Finds what a test states and nothing reads: properties, and members of the context. Decisions are made as if they weren't
 * there, so a slip in a name would leave a forbid without its fact, and the test would pass all the same.
 */
import { listConstrainedNames } from '../../decide/unproven-statements.js';
import type { Properties } from '../../model/question.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import type { Rules } from '../../policy/load.js';
import type { Action } from '../../policy/schema/action.js';
import { isObject, type CedarType } from '../../policy/schema/types.js';
import { findUndeclaredMember } from '../../policy/undeclared-members.js';
import { DELEGATOR_RELATION } from '../../policy/schema/vocabulary.js';
import type { TestFile } from './format.js';
import type { Path, SuiteFindings } from './suite-findings.js';

export class StatedProperties {
  /** Names that details of the file's tokens and consents constrain: they count although the Cedar schema doesn't declare them. */
  private readonly constrained: readonly string[];
  /** Members of the context that the file's consents ask for (`when`). */
  private readonly conditions: readonly string[];

  constructor(
    { tokens = {}, tests }: TestFile,
    private readonly rules: Rules,
    private readonly findings: SuiteFindings,
  ) {
    const consents = tests.flatMap((test) => test.consents ?? []);
    this.conditions = consents.flatMap(({ when = {} }) => Object.keys(when));
    const details = [...Object.values(tokens), ...consents].flatMap((grant) => grant.details ?? []);
    this.constrained = listConstrainedNames(
      details.flatMap(({ constraints }) => (isObject(constraints) ? { constraints } : [])),
    );
  }

  /** @param type the SpiceDB definition of the resource or the person */
  checkEntity(path: Path, type: string, properties: Properties): void {
    const types = this.rules.vocabulary.typesByObject.get(type) ?? [];
    if (types.length === 0 || types.some(({ open }) => open)) return;
    this.check(
      path,
      properties,
      types.map((declared) => ({ kind: 'Record', members: declared.attributes })),
    );
  }

  checkAction(path: Path, name: string, properties: Properties): void {
    const actions = this.rules.vocabulary.actions.filter((action) => action.name === name);
    if (actions.length === 0) return;
    this.check(path, properties, listContextRecords(actions, 'action'));
  }

  /** @param actions names of the actions that the context is stated for. @param types definitions of the resources */
  checkContext(path: Path, context: Properties, actions: ReadonlySet<string>, types: ReadonlySet<string>): void {
    const { vocabulary, graph } = this.rules;
    const targets = [...actions].flatMap((name) => [...types].flatMap((type) => vocabulary.find(name, type) ?? []));
    if (targets.length === 0) return;
    const { agentObject } = vocabulary;
    const caveatParameters = [
      ...targets.flatMap(({ action, resourceType }) =>
        [action.permission, action.agentPermission ?? [], action.can, action.agentCan]
          .flat()
          .flatMap((permission) => [...graph.reachability.caveatParameters(resourceType.object, permission).keys()]),
      ),
      ...(agentObject === undefined ? [] : graph.reachability.caveatParameters(agentObject, DELEGATOR_RELATION).keys()),
    ];
    const records = listContextRecords(
      targets.map(({ action }) => action),
      'request',
    );
    this.check(path, context, records, ['purpose', ...caveatParameters, ...this.conditions]);
  }

  /** @param otherNames names of which something else than a policy reads the value */
  private check(
    path: Path,
    stated: Properties,
    declarations: readonly CedarType[],
    otherNames: readonly string[] = [],
  ): void {
    const readableNames = [...this.constrained, ...otherNames];
    for (const [name, value] of Object.entries(stated)) {
      if (readableNames.includes(name)) continue;
      const undeclared = findUndeclaredMember(declarations, { [name]: value }, String(path.at(-1)));
      if (undeclared === undefined) continue;
      const names = undeclared.name === name ? [...undeclared.names, ...readableNames] : undeclared.names;
      this.findings.report(
        [...path, name],
        `${undeclared.path} is not declared by the Cedar schema, so no decision depends on it`,
        suggestNearest(undeclared.name, names),
      );
    }
  }
}

/** The records that the actions' contexts declare for what a request states; one without members where none does. */
function listContextRecords(actions: readonly Action[], member: 'action' | 'request'): CedarType[] {
  const types = actions.flatMap(({ context }) => context[member]?.type ?? []);
  return types.length === 0 ? [{ kind: 'Record', members: {} }] : types;
}
