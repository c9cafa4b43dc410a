/** Reads `@elevation` and `@emergency` of an action, and holds what they name against the SpiceDB schema. */
import type { FindingCollector } from '../../diagnostics/diagnostics.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import { caveatName, requiresExpiration } from '../../graph/schema/subject-types.js';
import { findRelationNameProblem } from '../../model/relationships.js';
import { parseDuration } from '../../runtime/duration.js';
import type { Action, Elevation } from './action.js';
import { checkPermission, type LocatePart } from './declarations.js';

const ELEVATION_TEXT = /^\s*(?<relation>\S+)\s+by\s+(?<by>\S+)\s+for\s+(?<period>\S+)\s+if\s+(?<condition>\S+)\s*$/;
const FORM = 'one is written "maintainer by owner for PT1H if read"';
const SHORTEST_MS = 60_000;
const LONGEST_MS = 30 * 86_400_000;

export function readElevation(
  { elevation: text, emergency }: Readonly<Record<string, string>>,
  locate: LocatePart,
  findings: FindingCollector,
): Pick<Action, 'elevation' | 'emergency'> {
  const read = text === undefined ? undefined : readElevationText(text);
  if (read !== undefined && 'problem' in read)
    findings.error('invalid-annotation', locate('@elevation'), `@elevation "${text ?? ''}" ${read.problem}`);
  const emergencyProblem = emergency === undefined ? undefined : findRelationNameProblem(emergency);
  if (emergencyProblem !== undefined)
    findings.error('invalid-annotation', locate('@emergency'), `@emergency "${emergency ?? ''}" ${emergencyProblem}`);
  return {
    elevation: read === undefined || 'problem' in read ? undefined : read.elevation,
    emergency: emergencyProblem === undefined ? emergency : undefined,
  };
}

function readElevationText(text: string): { readonly elevation: Elevation } | { readonly problem: string } {
  const { relation, by, period, condition } = ELEVATION_TEXT.exec(text)?.groups ?? {};
  if (relation === undefined || by === undefined || period === undefined || condition === undefined)
    return { problem: `is no elevation; ${FORM}` };
  for (const name of [relation, by, condition]) {
    const problem = findRelationNameProblem(name);
    if (problem !== undefined) return { problem: `names "${name}", which ${problem}; ${FORM}` };
  }
  const milliseconds = parseDuration(period);
  if (milliseconds === undefined) return { problem: `is for "${period}", which is no duration such as PT1H or P1D` };
  if (milliseconds < SHORTEST_MS || milliseconds > LONGEST_MS)
    return { problem: `is for ${period}: it must be between PT1M and P30D` };
  return { elevation: { relation, by, seconds: milliseconds / 1000, condition } };
}

/** Checks what an action's `@elevation` and `@emergency` name on each definition that it applies to. */
export function checkElevation(
  graph: GraphSchema,
  { elevation, emergency, permission, resourceTypes }: Action,
  { userObject, agentObject }: { readonly userObject: string | undefined; readonly agentObject: string | undefined },
  locate: LocatePart,
  findings: FindingCollector,
): void {
  const types = new Set(resourceTypes.map(({ object }) => object).filter((object) => graph.hasDefinition(object)));
  for (const type of types) {
    const check = (part: string, permission: string): void => {
      checkPermission(graph, { object: type, permission }, locate(part), findings, `${part}: `);
    };
    if (emergency !== undefined) check('@emergency', emergency);
    if (elevation === undefined) continue;
    const { relation, by, condition } = elevation;
    for (const name of [by, condition]) check('@elevation', name);
    const subjects = graph.relationTypes(type, relation);
    const report = (message: string, suggestion?: string): void => {
      findings.error('invalid-annotation', locate('@elevation'), `@elevation: ${message}`, suggestion);
    };
    if (subjects === undefined) {
      report(`definition "${type}" has no relation "${relation}"`, suggestNearest(relation, graph.relationNames(type)));
      continue;
    }
    const user = userObject ?? 'user';
    const takesUser = subjects.some(
      (subject) =>
        subject.path === user &&
        subject.relationName === undefined &&
        !subject.wildcard &&
        caveatName(subject) === undefined &&
        requiresExpiration(subject),
    );
    if (userObject === agentObject || !takesUser)
      report(
        `relation "${relation}" of "${type}" does not take users until an end: write "relation ${relation}: … | ${user} with expiration"`,
      );
    if (!graph.reachability.isGivenBy(type, permission, relation))
      report(
        `relation "${relation}" of "${type}" does not give "${permission}" alone: the permission must be a union with the relation`,
      );
  }
}
