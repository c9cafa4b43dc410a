/** The agents and users that a world file's relationships name and its entities lack, for `remit test`. */
import { readWorldSource, worldFormat } from '../../config/world.js';
import { readYaml } from '../../config/yaml.js';
import { warningAt, type Finding } from '../../diagnostics/diagnostics.js';
import type { Rules } from '../../policy/load.js';
import { applyIgnores } from './ignores.js';
import { findAbsentParties } from './world-lints.js';

/**
 * Reads a world that fits both schemas once more, with its places.
 * @throws ConfigError where the file can't be read
 */
export function readWorldWarnings(path: string, { vocabulary }: Rules): Finding[] {
  const file = readWorldSource(path);
  const { value, locate } = readYaml(file, worldFormat, { label: 'world', rule: 'world-invalid' });
  const warnings = value === undefined ? [] : findAbsentParties(value, vocabulary);
  return applyIgnores(
    warnings.map((warning) => warningAt(warning.rule, locate(warning.path), warning)),
    [file],
    { complete: false, skipped: [] },
  ).filter(({ rule }) => rule === 'absent-party');
}
