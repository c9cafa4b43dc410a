/** What is wrong with a file, gathered as it is read. */
import { idProblem } from '../../model/ids.js';
import type { Located, Place, Problem } from './places.js';

export type Path = readonly PropertyKey[];

export class Problems {
  readonly all: Problem[] = [];

  constructor(private readonly located: Pick<Located<unknown>, 'at'>) {}

  /** Something is wrong with what is at the path. */
  say(path: Path, message: string): void {
    this.all.push({ ...this.placeOf(path), message });
  }

  placeOf(path: Path): Place {
    return this.located.at(path);
  }

  /** Says so where it can't be an id. */
  id(path: Path, id: string): void {
    const why = idProblem(id);
    if (why !== undefined) this.say(path, `the id ${why}`);
  }
}
