/**
 * Reads a configuration file for an author: every problem in it is a finding, and what only the machine of the service has
 * may be missing.
 */
import { dirname, resolve } from 'node:path';
import { resolveApprovals } from '../../config/approvals.js';
import { configFormat, loadConfig, type Config, type Environment } from '../../config/config.js';
import { displayPath, type SourcePaths } from '../../config/files.js';
import { readYaml, type YamlFile } from '../../config/yaml.js';
import { NO_APPROVER_RULES, type ApproverRules } from '../../govern/approvals/eligibility.js';
import { ConfigError } from '../../model/faults.js';
import type { Finding } from '../../diagnostics/diagnostics.js';
import type { CheckWarning } from './check-rules.js';
import { readSourceReferences } from './source-references.js';

export interface ConfigurationFile extends Pick<YamlFile<unknown>, 'file' | 'locate'> {
  readonly findings: readonly Finding[];
  /** undefined where the file names no schema or no policies. */
  readonly sources: SourcePaths | undefined;
  readonly world: string | undefined;
  /** The configuration says who may approve, also where this machine lacks what else it needs; nothing where it has errors. */
  readonly approverRules: ApproverRules;
  /** undefined where the service wouldn't start with it on this machine. */
  readonly config: Config | undefined;
}

/** @throws ConfigError where there is no such file */
export function readConfiguration(path: string, env?: Environment): ConfigurationFile {
  const yaml = readYaml(path, configFormat, { label: 'configuration', rule: 'config-invalid' });
  const { file, locate } = yaml;
  const references = readSourceReferences(yaml.raw, (reference) => resolve(dirname(path), reference));
  const { config, findings } =
    yaml.value === undefined ? { config: undefined, findings: [] } : loadAsService(yaml, path, env);
  return {
    file,
    locate,
    findings: [...yaml.findings, ...findings],
    config,
    sources: references,
    world: references?.world,
    approverRules: yaml.value === undefined ? NO_APPROVER_RULES : resolveApprovals(yaml.value.approvals),
  };
}

/** Loads the file as the service does. A file or variable that isn't on this machine is only a warning. */
function loadAsService(
  { locate }: YamlFile<unknown>,
  path: string,
  env?: Environment,
): { readonly config: Config | undefined; readonly findings: readonly Finding[] } {
  try {
    return { config: loadConfig(path, env), findings: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { place, problem } = error;
    const inThisFile = place === undefined || [path, displayPath(path)].includes(place.file);
    const keys = (inThisFile ? (place?.key ?? '') : '').split(/[.[\]]+/).filter((part) => part !== '');
    const finding = {
      ...locate(keys.map((part) => (/^\d+$/.test(part) ? Number(part) : part))),
      message: inThisFile ? `${place?.key === undefined ? '' : `${place.key}: `}${problem}` : error.message,
    };
    const surroundingsRule: CheckWarning = 'config-surroundings';
    return {
      config: undefined,
      findings: [
        inThisFile
          ? { rule: 'config-invalid', severity: 'error', ...finding }
          : { rule: surroundingsRule, severity: 'warning', ...finding },
      ],
    };
  }
}
