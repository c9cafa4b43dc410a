/** What the operator is told of work in the background that fails. */
import { expect, it } from 'vitest';
import { reportFailing } from '../../src/telemetry/report-failing.js';

it.each(['The database could not answer.', 'The database could not answer'])('ends %j in one full stop', (message) => {
  const lines: unknown[] = [];
  const report = reportFailing((...line) => lines.push(line), 'Old events can not be deleted', 'events_unpruned');
  report(new Error(message));
  expect(lines).toEqual([
    ['Old events can not be deleted: The database could not answer. It is tried again.', { event: 'events_unpruned' }],
  ]);
});
