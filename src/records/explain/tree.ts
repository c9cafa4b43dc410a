/** Draws relationships as a tree, from the resource to the subject that holds the permission. Explain and its print call it. */

export interface RelationshipBranch {
  /** The relation that leads here from the branch above; at the root, the permission that is held. */
  readonly relation: string;
  /** `team:platform#member`, as relationships write it. */
  readonly object: string;
  readonly branches: readonly RelationshipBranch[];
}

/**
 * @param path relationships as evidence lists them, `employee:erin#reports_to@employee:dave`
 * @returns undefined where they don't form one tree
 */
export function buildRelationshipTree(path: readonly string[], permission: string): RelationshipBranch | undefined {
  const links = path.map((text) => /^([^#@]+)#([^#@]+)@(.+)$/s.exec(text));
  const below = new Map<string, { relation: string; object: string }[]>();
  for (const link of links) {
    if (link === null) return undefined;
    const [, from = '', relation = '', object = ''] = link;
    below.set(from, [...(below.get(from) ?? []), { relation, object }]);
  }
  const root = links[0]?.[1];
  if (root === undefined) return undefined;
  const drawnKeys = new Set<string>();
  const branch = (object: string, relation: string): RelationshipBranch => {
    const key = object.split('#', 1)[0] ?? object;
    // Two paths may meet in one object: the branches below it are drawn once.
    const next = drawnKeys.has(key) ? [] : (below.get(key) ?? []);
    drawnKeys.add(key);
    return { object, relation, branches: next.map((child) => branch(child.object, child.relation)) };
  };
  const tree = branch(root, permission);
  return [...below.keys()].every((key) => drawnKeys.has(key)) ? tree : undefined;
}

/** Formats the tree with one object a line. */
export function formatTree({ object, relation, branches }: RelationshipBranch): string[] {
  return [`${object}  ${relation}`, ...formatBranches(branches, '')];
}

function formatBranches(branches: readonly RelationshipBranch[], indent: string): string[] {
  return branches.flatMap(({ object, relation, branches: below }, i) => {
    const last = i === branches.length - 1;
    return [
      `${indent}${last ? '└─' : '├─'} ${relation}  ${object}`,
      ...formatBranches(below, `${indent}${last ? '   ' : '│  '}`),
    ];
  });
}
