/** What answers make of a task: no approval is good for more than each of those who said yes has agreed to. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  approveSteps,
  findLatestEnd,
  findStepPermission,
  listOpenSteps,
  readTaskState,
} from '../../../src/govern/approvals/task-progress.js';
import type { ApprovalStep } from '../../../src/model/approvals.js';
import type { StoredAnswer } from '../../../src/store/stored-task.js';

const NOW = new Date('2030-03-04T10:00:00Z');
const MINUTE = 60_000;
const TERMS = { onceMs: 15 * MINUTE, untilMaxMs: 1440 * MINUTE };
const OWNER: ApprovalStep = { kind: 'permission', permission: 'own' };
const USER: ApprovalStep = { kind: 'user' };
const ELEVATION: ApprovalStep = { kind: 'elevation', permission: 'own', relation: 'maintainer', seconds: 600 };
const by = { type: 'user', id: 'olga' };
const at = (minutes: number): Date => new Date(NOW.getTime() + minutes * MINUTE);

it('knows a task that nobody answered in time', () => {
  const expires = at(60).toISOString();
  expect(readTaskState({ state: 'pending', expires }, at(59))).toBe('pending');
  expect(readTaskState({ state: 'pending', expires }, at(60))).toBe('expired');
  expect(readTaskState({ state: 'approved', expires }, at(60))).toBe('approved');
});

it('asks the holders of the permission, in an emergency those of another, and of the user’s yes no others', () => {
  expect([OWNER, ELEVATION, USER].map((step) => findStepPermission(step, {}))).toEqual(['own', 'own', undefined]);
  const emergency = { emergency: 'oncall' };
  expect([OWNER, ELEVATION, USER].map((step) => findStepPermission(step, emergency))).toEqual([
    'oncall',
    'oncall',
    undefined,
  ]);
});

describe('a yes', () => {
  it('is good for one use a short while, unless more is said', () => {
    const task = { steps: [OWNER], answers: [] };
    expect(approveSteps(task, [0], { by, at: NOW, scope: 'once', note: 'fine' }, TERMS)).toEqual({
      state: 'approved',
      scope: 'once',
      approved_until: at(15).toISOString(),
      answers: [{ step: 0, by, at: NOW.toISOString(), scope: 'once', until: at(15).toISOString(), note: 'fine' }],
    });
    for (const [until, end] of [
      [at(60), at(60)],
      [at(9999), at(1440)],
    ] as const)
      expect(approveSteps(task, [0], { by, at: NOW, scope: 'until', until }, TERMS)).toMatchObject({
        scope: 'until',
        approved_until: end.toISOString(),
      });
  });

  it('leaves the task waiting while a step lacks one', () => {
    const first = approveSteps({ steps: [OWNER, USER], answers: [] }, [1], { by, at: NOW, scope: 'until' }, TERMS);
    expect(first).toMatchObject({ state: 'pending', answers: [{ step: 1 }] });
    expect(first.approved_until).toBeUndefined();
    const task = { steps: [OWNER, USER], answers: first.answers };
    expect(listOpenSteps(task)).toEqual([0]);
    expect(approveSteps(task, [0], { by, at: at(60), scope: 'once' }, TERMS)).toMatchObject({
      state: 'approved',
      scope: 'once',
      approved_until: at(75).toISOString(),
    });
  });

  it('is good for no longer than an elevation, or an hour in an emergency', () => {
    expect(findLatestEnd({ steps: [OWNER, ELEVATION] }, 'until', NOW, TERMS)).toEqual(at(10));
    expect(findLatestEnd({ steps: [OWNER], emergency: 'oncall' }, 'until', NOW, TERMS)).toEqual(at(60));
    expect(findLatestEnd({ steps: [OWNER], emergency: 'oncall' }, 'once', NOW, TERMS)).toEqual(at(15));
  });

  it('is good for no longer than was asked for, whatever its scope', () => {
    const task = { steps: [OWNER], answers: [], requested_until: at(5).toISOString() };
    for (const given of [{ scope: 'once' }, { scope: 'until', until: at(60) }, { scope: 'until' }] as const)
      expect(approveSteps(task, [0], { by, at: NOW, ...given }, TERMS).approved_until).toBe(at(5).toISOString());
  });

  it('is to one question where it is the user’s own', () => {
    const task = { steps: [USER], answers: [] };
    const given = { by, at: NOW, scope: 'until', until: at(60) } as const;
    expect(approveSteps(task, [0], given, TERMS)).toMatchObject({
      scope: 'once',
      approved_until: at(15).toISOString(),
    });
  });

  it('never makes an approval wider than any of the answers', () => {
    const step = fc.constantFrom(OWNER, USER, ELEVATION);
    const answer = fc.record({
      scope: fc.constantFrom('once' as const, 'until' as const),
      until: fc.option(fc.integer({ min: 1, max: 3000 }), { nil: undefined }),
      wait: fc.integer({ min: 0, max: 120 }),
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(step, answer), { minLength: 1, maxLength: 5 }),
        fc.option(fc.constant('oncall'), { nil: undefined }),
        fc.option(fc.integer({ min: 600, max: 3000 }), { nil: undefined }),
        (given, emergency, requested) => {
          const requested_until = requested === undefined ? undefined : at(requested).toISOString();
          const steps = given.map(([one]) => one);
          let answers: readonly StoredAnswer[] = [];
          let now = NOW;
          for (const [index, [, { scope, until, wait }]] of given.entries()) {
            now = new Date(now.getTime() + wait * MINUTE);
            const end = until === undefined || scope === 'once' ? undefined : new Date(now.getTime() + until * MINUTE);
            const result = approveSteps(
              { steps, answers, emergency, requested_until },
              [index],
              { by, at: now, scope, until: end },
              TERMS,
            );
            answers = result.answers;
            const isLast = index === given.length - 1;
            expect(result.state).toBe(isLast ? 'approved' : 'pending');
            if (!isLast) continue;
            const ends = Date.parse(result.approved_until ?? '');
            const hasOnce = given.some(([one, { scope: said }]) => said === 'once' || one === USER);
            expect(result.scope).toBe(hasOnce ? 'once' : 'until');
            if (hasOnce) expect(ends).toBeLessThanOrEqual(now.getTime() + TERMS.onceMs);
            if (requested_until !== undefined) expect(ends).toBeLessThanOrEqual(Date.parse(requested_until));
            if (emergency !== undefined) expect(ends).toBeLessThanOrEqual(now.getTime() + 60 * MINUTE);
            if (steps.includes(ELEVATION)) expect(ends).toBeLessThanOrEqual(now.getTime() + 10 * MINUTE);
            for (const one of answers)
              if (one.scope === 'until') expect(ends).toBeLessThanOrEqual(Date.parse(one.until));
          }
        },
      ),
    );
  });
});
