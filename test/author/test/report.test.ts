/** Reports: names from files reach neither the terminal as commands nor the XML as markup. */
import { describe, expect, it } from 'vitest';
import { escapeForTerminal } from '../../../src/cli/print/terminal.js';
import { toJunitXml } from '../../../src/author/test/junit.js';
import { testReportJson, testReportText } from '../../../src/author/test/report.js';
import type { TestResult } from '../../../src/author/test/result.js';
import type { TestReport } from '../../../src/author/test/session.js';

const HOSTILE = [
  '</testcase><x a="b">',
  "]]> & &amp; <!-- '",
  'esc\u001b[31m \u0000 \u0085 \ufffe \u202e',
  'line\nbreak\ttab\r',
  '\u{1f600} ü \ud800',
];

function report(...outcomes: TestResult['outcome'][]): TestReport {
  const results = outcomes.map((outcome, i): TestResult => {
    const text = HOSTILE[i % HOSTILE.length] ?? '';
    return {
      place: { file: `a${text}.yaml`, line: i + 1, column: 3 },
      test: text,
      name: text,
      outcome,
      differences: outcome === 'failed' ? [{ what: 'policies', expected: [text], actual: [] }] : [],
      because: outcome === 'passed' ? [] : [text],
    };
  });
  return { files: [{ file: HOSTILE[0] ?? '', results }], coverage: undefined, warnings: [], milliseconds: 1234 };
}

const all = report('failed', 'failed', 'failed', 'failed', 'error', 'passed');

describe('JUnit', () => {
  const xml = toJunitXml(all);

  it('holds nothing that XML 1.0 does not', () => {
    expect(xml).not.toMatch(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u);
    expect(xml).toContain('\\u001b[31m \\u0000');
  });

  it('has only the markup that is its own', () => {
    // The markup without the texts in attributes and elements.
    const bare = xml.replaceAll(/"[^"<>]*"/g, '""').replaceAll(/>[^<>]*</g, '><');
    expect(new Set(bare.match(/<[^>]*>/g))).toEqual(
      new Set([
        '<?xml version="" encoding=""?>',
        '<testsuites name="" tests="" failures="" errors="" time="">',
        '<testsuite name="" tests="" failures="" errors="">',
        '<testcase name="" classname="" file="" line="">',
        '<testcase name="" classname="" file="" line=""/>',
        '<failure message="">',
        '<error message="">',
        '</failure>', '</error>', '</testcase>', '</testsuite>', '</testsuites>',
      ]),
    ); // prettier-ignore
  });

  it('counts, and says of each failure what differs', () => {
    expect(xml).toContain('<testsuites name="remit test" tests="6" failures="4" errors="1" time="1.234">');
    expect(xml).toContain('<failure message="policies">');
  });
});

it('text for a terminal has no control characters but its own line ends', () => {
  const text = testReportText(all, escapeForTerminal);
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
  expect(text.split('\n').filter((line) => line.startsWith('break'))).toEqual([]);
  expect(text).toMatch(/1 passed, 4 failed, 1 with errors in 1\.23 s\n$/);
});

it('JSON has every case, with its place', () => {
  expect(testReportJson(all)).toMatchObject({
    summary: { cases: 6, passed: 1, failed: 4, errors: 1, milliseconds: 1234 },
    files: [{ results: [{ line: 1, column: 3, outcome: 'failed' }, {}, {}, {}, {}, { outcome: 'passed' }] }],
  });
});
