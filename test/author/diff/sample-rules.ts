/** Loads the sample's rules with some texts replaced. */
import { readSources } from '../../../src/config/files.js';
import { loadConfig } from '../../../src/config/config.js';
import { loadRules, type Rules, type RuleSources } from '../../../src/policy/load.js';
import { SAMPLE } from '../../support/sample.js';

export const sources = readSources(loadConfig(SAMPLE, {}).sources);
export const rules = loadRules(sources);

/** Replaces texts, each of which must be there. */
export function changed(...changes: readonly (readonly [from: string | RegExp, to: string])[]): Rules {
  const left = new Set(changes);
  const edit = <T extends { readonly text: string }>(file: T): T => ({
    ...file,
    text: changes.reduce((text, change) => {
      const after = text.replace(change[0], change[1]);
      if (after !== text) left.delete(change);
      return after;
    }, file.text),
  });
  const edited: RuleSources = {
    relationships: edit(sources.relationships),
    actions: sources.actions.map(edit),
    policies: sources.policies.map(edit),
  };
  const loaded = loadRules(edited);
  if (left.size > 0) throw new Error(`nothing has ${String([...left][0]?.[0])}`);
  return loaded;
}
