/** Has a statement that changes rows store something else of each row, in the same statement: an event, a record. */
import type { SqlStatement } from './database/port.js';

/**
 * Makes the parts of a `with` that read the rows, `r`. A select in them sees tables as they were before the statement.
 * @param param takes the value of a parameter, and returns its place in the SQL
 */
export type RowFollower = (param: (value: string) => string) => string;

/** @param statement begins with no `with`, and returns what the followers read */
export function followRows({ sql, params = [] }: SqlStatement, followers: readonly RowFollower[]): SqlStatement {
  const all = [...params];
  const parts = followers.map((follower) =>
    follower((value) => {
      all.push(value);
      return `$${all.length}`;
    }),
  );
  return { sql: [`with r as (${sql})`, ...parts].join(', ') + ' select * from r', params: all };
}
