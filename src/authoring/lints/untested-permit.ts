/** A permit that no test shows permitting anything. */
import { permitsOf, type Lint } from './lint.js';

export const untestedPermit: Lint = {
  rule: 'untested-permit',
  title: 'A permit that no test exercises',
  why: 'Nobody has said what it is meant to allow, so nobody notices when it allows more.',
  cure: 'Add a case to a `*_test.yaml` in which it is what permits.',
  run: (subject) =>
    subject.tested === undefined
      ? []
      : permitsOf(subject)
          .filter(({ id }) => subject.tested?.has(id) === false)
          .map(({ id, at }) => ({ at, message: `no test shows "${id}" permitting anything` })),
};
