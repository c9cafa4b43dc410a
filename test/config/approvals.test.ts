/** `approvals` of the configuration: bounds of how long people may take, and how long their yes is good. */
import { describe, expect, it } from 'vitest';
import { checkReferences } from '../../src/config/check-references.js';
import type { ApproverRules } from '../../src/govern/approvals/eligibility.js';
import { loadConfig } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import { loadRules } from '../../src/policy/load.js';
import { SAMPLE } from '../support/sample.js';
import { approvalsFormat, resolveApprovals } from '../../src/config/approvals.js';

const MINUTE = 60_000;

describe('approvals', () => {
  it('has bounds where nothing is said', () => {
    expect(resolveApprovals(approvalsFormat.parse(undefined))).toEqual({
      open: 20, waitingMs: 1440 * MINUTE, onceMs: 15 * MINUTE, untilMaxMs: 1440 * MINUTE, cooldownMs: 60 * MINUTE,
      administeredBy: new Map(), deputies: new Map(),
    }); // prettier-ignore
  });

  it.each([
    ['open', 1, 1],
    ['waiting', 'P30D', 30 * 1440 * MINUTE],
    ['once', 'PT1M', MINUTE],
    ['until_max', 'P90D', 90 * 1440 * MINUTE],
    ['cooldown', 'PT0S', 0],
  ])('reads %s', (key, value, read) => {
    expect(approvalsFormat.parse({ [key]: value })).toMatchObject({ [key]: read });
  });

  it('reads who administers groups, and who their deputies are', () => {
    const groups = { administered_by: { team: 'manage' }, deputies: ['team#deputy', 'acme/crew#stand_in'] };
    expect(resolveApprovals(approvalsFormat.parse(groups))).toMatchObject({
      administeredBy: new Map([['team', 'manage']]),
      deputies: new Map([
        ['team', 'deputy'],
        ['acme/crew', 'stand_in'],
      ]),
    });
  });

  it('is held against the schema of relationships', () => {
    const rules = loadRules(readSources(loadConfig(SAMPLE, {}).sources));
    const problems = (approvals: Partial<ApproverRules>): string[] =>
      checkReferences(
        { clients: [], issuers: [], approvals: { administeredBy: new Map(), deputies: new Map(), ...approvals } },
        rules,
      ).map(({ path, message, suggestion }) => [path.join('.'), message, suggestion].join(' '));
    expect(problems({ administeredBy: new Map([['team', 'member']]) })).toEqual([]);
    expect(problems({ administeredBy: new Map([['teem', 'member']]) })).toEqual([
      'approvals.administered_by.teem approvals: no definition "teem" did you mean "team"?',
    ]);
    expect(problems({ deputies: new Map([['team', 'membr']]) })).toEqual([
      'approvals.deputies.0 approvals: definition "team" has no permission or relation "membr" did you mean "member"?',
    ]);
    expect(problems({ deputies: new Map([['employee', 'manager']]) })).toEqual([
      expect.stringContaining('definition "employee" has no permission or relation "member"'),
    ]);
  });

  it.each([
    ['deputies', ['team'], 'such as "team#deputy"'],
    ['deputies', ['team#deputy#x'], 'such as "team#deputy"'],
    ['deputies', ['Team#deputy'], 'such as "team#deputy"'],
    ['deputies', ['team#deputy', 'team#helper'], 'must name each definition once'],
    ['administered_by', { team: 'Manage' }, 'must be a SpiceDB relation or permission name'],
    ['open', 0, 'Too small'],
    ['open', 1001, 'Too big'],
    ['waiting', 'P31D', 'must be between PT1M and P30D'],
    ['once', 'PT59S', 'must be between PT1M and P1D'],
    ['until_max', 'P91D', 'must be between PT1M and P90D'],
    ['cooldown', 'P8D', 'must be between PT0S and P7D'],
    ['once', '15m', 'must be a duration such as P30D or PT12H'],
  ])('refuses %s: %j', (key, value, message) => {
    expect(approvalsFormat.safeParse({ [key]: value }).error?.issues[0]?.message).toContain(message);
  });
});
