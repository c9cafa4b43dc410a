/** Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines. No text of the files is in it. */
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Log } from 'sarif';
import { formatProblem, type Finding } from '../../../diagnostics/diagnostics.js';
import type { CheckRule } from '../check-rules.js';

export function toSarif(findings: readonly Finding[], rules: ReadonlyMap<string, CheckRule>): Log {
  const ids = [...rules.keys()];
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'remit',
            rules: [...rules].map(([id, { title, why, cure, severity }]) => ({
              id,
              shortDescription: { text: title },
              fullDescription: { text: why },
              help: { text: cure },
              defaultConfiguration: { level: severity },
            })),
          },
        },
        columnKind: 'utf16CodeUnits',
        results: findings.map(({ rule, severity, file, line, column, ...problem }) => ({
          ruleId: rule,
          ruleIndex: ids.indexOf(rule),
          level: severity,
          message: { text: formatProblem(problem) },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: fileUri(file) },
                region: { startLine: line, startColumn: column },
              },
            },
          ],
        })),
      },
    ],
  };
}

/** The URI is relative to the working directory, which for a code host is the root of the repository. */
function fileUri(file: string): string {
  return isAbsolute(file) ? pathToFileURL(file).href : file.split(/[/\\]/).map(encodeURIComponent).join('/');
}
