/** Whether the schema of a SpiceDB that is in use still is the file's: others can change it while Remit runs. */
import { Fault } from '../../model/faults.js';
import type { Difference } from './schema-diff.js';

export class Fitting {
  /** The schema that was compared last, as SpiceDB writes it. */
  private compared: string | undefined;
  private misfit: string | undefined;

  /**
   * @param where names SpiceDB and the file, for the log
   * @param log a line for the operator
   */
  constructor(
    private readonly where: { readonly endpoint: string; readonly file: string },
    private readonly log: (line: string) => void,
  ) {}

  /** Why nothing can be decided; undefined while the schema fits. */
  get fault(): Fault | undefined {
    return this.misfit === undefined ? undefined : new Fault('schema_differs', this.misfit);
  }

  /**
   * @param schema of SpiceDB now
   * @param compare asked only where that is another than before; while it can't answer, the schema counts as another
   * @returns whether it fits
   */
  async look(schema: string, compare: () => Promise<readonly Difference[]>): Promise<boolean> {
    if (schema === this.compared) return this.misfit === undefined;
    const found = await compare().catch((): undefined => undefined);
    this.compared = found === undefined ? undefined : schema;
    const { endpoint, file } = this.where;
    const misfit = found === undefined ? 'what differs is not known yet' : summary(found.filter(({ aside }) => !aside));
    if (misfit !== this.misfit)
      this.log(
        misfit === undefined
          ? `the schema of SpiceDB at ${endpoint} is that of ${file} again`
          : `the schema of SpiceDB at ${endpoint} is no longer that of ${file}, and nothing is decided until it is: ${misfit}`,
      );
    const more = summary(found?.filter(({ aside }) => aside) ?? []);
    if (more !== undefined)
      this.log(`SpiceDB at ${endpoint} has more than ${file}, which changes no decision: ${more}`);
    this.misfit = misfit;
    return misfit === undefined;
  }
}

/** The first few of many; undefined: there are none. */
export function summary(differences: readonly Difference[]): string | undefined {
  if (differences.length === 0) return undefined;
  const shown = differences
    .slice(0, 5)
    .map(({ text }) => text)
    .join('; ');
  return differences.length > 5 ? `${shown}; and ${differences.length - 5} more` : shown;
}
