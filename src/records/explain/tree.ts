/** Relationships drawn as a tree: from the resource to whoever holds the permission. */

export interface Branch {
  /** Relation by which the one above leads here; at the root, the permission that is held. */
  readonly relation: string;
  /** `team:platform#member`, as relationships write it. */
  readonly object: string;
  readonly branches: readonly Branch[];
}

/**
 * @param path relationships as evidence lists them, `employee:erin#reports_to@employee:dave`
 * @returns undefined where they don't hang together
 */
export function treeOf(path: readonly string[], permission: string): Branch | undefined {
  const links = path.map((text) => /^([^#@]+)#([^#@]+)@(.+)$/s.exec(text));
  const below = new Map<string, { relation: string; object: string }[]>();
  for (const link of links) {
    if (link === null) return undefined;
    const [, from = '', relation = '', object = ''] = link;
    below.set(from, [...(below.get(from) ?? []), { relation, object }]);
  }
  const root = links[0]?.[1];
  if (root === undefined) return undefined;
  const drawn = new Set<string>();
  const branch = (object: string, relation: string): Branch => {
    const key = object.split('#', 1)[0] ?? object;
    // Two ways may meet in one object; what is below it is drawn once.
    const next = drawn.has(key) ? [] : (below.get(key) ?? []);
    drawn.add(key);
    return { object, relation, branches: next.map((one) => branch(one.object, one.relation)) };
  };
  const tree = branch(root, permission);
  return [...below.keys()].every((key) => drawn.has(key)) ? tree : undefined;
}

/** One line an object. */
export function treeLines({ object, relation, branches }: Branch): string[] {
  return [`${object}  ${relation}`, ...branchLines(branches, '')];
}

function branchLines(branches: readonly Branch[], indent: string): string[] {
  return branches.flatMap(({ object, relation, branches: below }, i) => {
    const last = i === branches.length - 1;
    return [
      `${indent}${last ? '└─' : '├─'} ${relation}  ${object}`,
      ...branchLines(below, `${indent}${last ? '   ' : '│  '}`),
    ];
  });
}
