/** What is wrong with a file, gathered as it is read. */
import { findIdProblem } from '../../model/ids.js';
import type { Located, Place, Problem } from './places.js';

export type Path = readonly PropertyKey[];

export class Problems {
  readonly all: Problem[] = [];

  constructor(private readonly located: Pick<Located<unknown>, 'at'>) {}

  /** Something is wrong with what is at the path. */
  report(path: Path, message: string): void {
    this.all.push({ ...this.placeOf(path), message });
  }

  placeOf(path: Path): Place {
    return this.located.at(path);
  }

  /** Says so where it can't be an id. */
  checkId(path: Path, checkId: string): void {
    const why = findIdProblem(checkId);
    if (why !== undefined) this.report(path, `the id ${why}`);
  }
}
