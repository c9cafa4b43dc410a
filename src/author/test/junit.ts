/** Prints a test report as JUnit XML, which build servers read. */
import { failureText, summarizeResults, allResults } from './report.js';
import type { TestResult } from './result.js';
import type { TestReport } from './session.js';

export function toJunitXml(report: TestReport): string {
  const seconds = (report.milliseconds / 1000).toFixed(3);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="remit test" ${countAttributes(allResults(report))} time="${seconds}">`,
    ...report.files.flatMap(({ file, results }) => [
      `  <testsuite name="${escapeXml(file)}" ${countAttributes(results)}>`,
      ...results.map(testCaseXml),
      '  </testsuite>',
    ]),
    '</testsuites>',
    '',
  ].join('\n');
}

function countAttributes(results: readonly TestResult[]): string {
  const { cases, failed, errors } = summarizeResults(results);
  return `tests="${cases}" failures="${failed}" errors="${errors}"`;
}

function testCaseXml(result: TestResult): string {
  const { place, test, name, outcome, differences } = result;
  const attributes = `name="${escapeXml(`${test} › ${name}`)}" classname="${escapeXml(place.file)}" file="${escapeXml(place.file)}" line="${place.line}"`;
  if (outcome === 'passed') return `    <testcase ${attributes}/>`;
  const element = outcome === 'failed' ? 'failure' : 'error';
  const message = differences.map(({ what: aspect }) => aspect).join(', ') || 'the case could not be decided';
  return `    <testcase ${attributes}>
      <${element} message="${escapeXml(message)}">${escapeXml(failureText(result).join('\n'))}</${element}>
    </testcase>`;
}

/** Escapes a text for XML. A character that XML 1.0 can't hold at all is written as JSON would escape it. */
function escapeXml(text: string): string {
  return text
    .replace(
      /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu,
      (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
    )
    .replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
    .replace(/[\t\n\r]/g, (char) => `&#${char.charCodeAt(0)};`);
}
