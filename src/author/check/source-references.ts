/** The files that a configuration leads to. They are found before, and whether or not, the rest of it can be read. */
import { z } from 'zod';
import { zoneFormat } from '../../config/config.js';
import { historyFormat } from '../../config/history.js';

export interface SourceReferences {
  readonly relationships: string;
  readonly actions: readonly string[];
  /** A directory of Cedar files. */
  readonly policies: string;
  readonly world: string | undefined;
  readonly zone: string | undefined;
  readonly longestHistoryMs: number | undefined;
}

const referencesFormat = z.object({
  schema: z.object({ relationships: z.string(), actions: z.union([z.string(), z.array(z.string())]) }),
  policies: z.string(),
  world: z.string().optional().catch(undefined),
  zone: zoneFormat.optional().catch(undefined),
  history: historyFormat.optional().catch(undefined),
});

/**
 * @param configuration the parsed YAML
 * @param resolvePath from a path as the configuration writes it, which is relative to the configuration
 * @returns undefined where the configuration names no schema or no policies
 */
export function readSourceReferences(
  configuration: unknown,
  resolvePath: (path: string) => string,
): SourceReferences | undefined {
  const references = referencesFormat.safeParse(configuration).data;
  if (references === undefined) return undefined;
  const { schema, policies, world, zone, history } = references;
  return {
    relationships: resolvePath(schema.relationships),
    actions: [schema.actions].flat().map(resolvePath),
    policies: resolvePath(policies),
    world: world === undefined ? undefined : resolvePath(world),
    zone,
    longestHistoryMs: history?.longest,
  };
}
