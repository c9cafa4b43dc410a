/** The configuration file as an author checks it: everything in it, wherever the service will run. */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { configFormat, loadConfig, type Config, type Environment } from '../../config/config.js';
import { displayPath, type SourcePaths } from '../../config/files.js';
import { readYaml, type YamlFile } from '../../config/yaml.js';
import { ConfigError } from '../../model/faults.js';
import type { Finding } from '../../diagnostics/diagnostics.js';
import type { CheckWarning } from './check-rules.js';

export interface ConfigurationFile extends Pick<YamlFile<unknown>, 'file' | 'locate'> {
  readonly findings: readonly Finding[];
  /** undefined where the file doesn't say. */
  readonly sources: SourcePaths | undefined;
  readonly world: string | undefined;
  /** undefined where the service wouldn't start with it, here. */
  readonly config: Config | undefined;
}

/** What leads to the other files, whatever else there is. */
const sourceReferences = z.object({
  schema: z.object({ relationships: z.string(), actions: z.union([z.string(), z.array(z.string())]) }),
  policies: z.string(),
  world: z.string().optional().catch(undefined),
});

/** @throws ConfigError where there is no such file */
export function readConfiguration(path: string, env?: Environment): ConfigurationFile {
  const read = readYaml(path, configFormat, { label: 'configuration', rule: 'config-invalid' });
  const { file, locate } = read;
  const resolvePath = (reference: string): string => resolve(dirname(path), reference);
  const references = sourceReferences.safeParse(read.raw).data;
  const { config, findings } =
    read.value === undefined ? { config: undefined, findings: [] } : loadAsService(read, path, env);
  return {
    file,
    locate,
    findings: [...read.findings, ...findings],
    config,
    sources:
      references === undefined
        ? undefined
        : {
            relationships: resolvePath(references.schema.relationships),
            actions: [references.schema.actions].flat().map(resolvePath),
            policies: resolvePath(references.policies),
          },
    world: references?.world === undefined ? undefined : resolvePath(references.world),
  };
}

/** As the service reads it. What it wants of its surroundings may be missing where policies are only checked. */
function loadAsService(
  { locate }: YamlFile<unknown>,
  path: string,
  env?: Environment,
): { readonly config: Config | undefined; readonly findings: readonly Finding[] } {
  try {
    return { config: loadConfig(path, env), findings: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { place } = error;
    const inThisFile = place === undefined || [path, displayPath(path)].includes(place.replace(/: .*$/, ''));
    const message = inThisFile && place !== undefined ? error.message.slice(place.length + 2) : error.message;
    // A message about the file begins with the key that it is about.
    const key = /^[\w.[\]]+(?=: )/.exec(message)?.[0] ?? '';
    const keys = key.split(/[.[\]]+/).filter((part) => part !== '');
    const finding = {
      ...locate(keys.map((part) => (/^\d+$/.test(part) ? Number(part) : part))),
      message,
    };
    const outsideRule: CheckWarning = 'config-surroundings';
    return {
      config: undefined,
      findings: [
        inThisFile
          ? { rule: 'config-invalid', severity: 'error', ...finding }
          : { rule: outsideRule, severity: 'warning', ...finding },
      ],
    };
  }
}
